"""A raw file is read in a process of its own, and breaks nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from helpers import reference
from helpers.clean import raw_file, reader_process

OPTIONS = {"timezone": "Asia/Shanghai", "key": b"k" * 32, "currency": "CNY"}
SESSIONS = "直播间,开播时间,下播时间,累计观看人数,成交金额\n"
BOOK = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@pytest.fixture(scope="module")
def readers():
    readers = reader_process.Readers()
    yield readers
    readers.close()


def read(readers: reader_process.Readers, path: Path) -> raw_file.Reading:
    return readers.read(path, systems=reference.systems(), name=path.name, **OPTIONS)


def orders(path: Path, rows: int) -> Path:
    """A CSV of the template's orders."""
    lines = [
        f"A{row},L{row},2026-03-0{1 + row % 9} 20:00:00,{row % 90 + 1}.50" for row in range(rows)
    ]
    path.write_text("\n".join(["订单号,子订单号,下单时间,支付金额", *lines]), encoding="utf-8")
    return path


def far_cell(path: Path, reference_of_cell: str) -> Path:
    """A workbook of 1 KB whose one cell stands in the far corner, its place written as given."""
    rows = "".join(
        f'<row r="{row}"><c {reference_of_cell if row > 1 else "r=" + chr(34) + "A1" + chr(34)}>'
        "<v>1</v></c></row>"
        for row in (1, 1048576)
    )
    sheet = f'<worksheet xmlns="{NAMESPACE}"><sheetData>{rows}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in {**BOOK, "xl/worksheets/sheet1.xml": sheet}.items():
            book.writestr(name, content)
    return path


def same(found: raw_file.Reading, wanted: raw_file.Reading) -> None:
    assert list(found.tables) == list(wanted.tables)
    for name, frame in wanted.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], frame)
    for name in ("files", "aside", "mended", "mends"):
        left, right = getattr(found, name), getattr(wanted, name)
        pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_what_is_read_apart_is_what_is_read_here(readers, tmp_path):
    for path in (orders(tmp_path / "订单.csv", 300), tmp_path / "empty.csv"):
        path.touch()
        here = raw_file.read_file(path, systems=reference.systems(), name=path.name, **OPTIONS)
        same(read(readers, path), here)


@pytest.mark.parametrize(
    "place", ['r=" XFD1048576 "', 'r="xfd1048576"', 'r="$XFD$1048576"', "", 'r = "XFD1048576"']
)
def test_a_far_cell_however_its_place_is_written_ends_no_other_reading(readers, tmp_path, place):
    hostile = read(readers, far_cell(tmp_path / "far.xlsx", place))
    assert not hostile.tables and len(hostile.files) == 1
    problem = hostile.files["problem"].iloc[0]
    assert isinstance(problem, str) and "far.xlsx" in problem + hostile.files["file"].iloc[0]
    after = read(readers, orders(tmp_path / "orders.csv", 50))
    assert after.files["file"].tolist() == ["orders.csv"]


def test_a_file_that_asks_for_more_memory_than_its_size_allows_is_named(
    readers, tmp_path, monkeypatch
):
    monkeypatch.setattr(reader_process, "MEMORY", 1_000_000)
    monkeypatch.setattr(reader_process, "MEMORY_PER_BYTE", 0)
    found = read(readers, orders(tmp_path / "large.csv", 60_000))
    assert not found.tables
    assert "large.csv" in found.files["problem"].iloc[0]
    assert "memory" in found.files["problem"].iloc[0]


def test_a_file_that_takes_too_long_is_named(readers, tmp_path, monkeypatch):
    monkeypatch.setattr(reader_process, "SECONDS", 1)
    monkeypatch.setattr(reader_process, "SECONDS_PER_BYTE", 0)
    found = read(readers, orders(tmp_path / "endless.csv", 600_000))
    assert not found.tables and "endless.csv" in found.files["problem"].iloc[0]


def test_a_fault_of_the_reader_is_named_without_what_the_file_holds(readers, tmp_path):
    path = orders(tmp_path / "orders.csv", 20)
    options = {**OPTIONS, "timezone": "13812345678"}  # a fault whose message repeats the value
    found = readers.read(path, systems=reference.systems(), name=path.name, **options)
    assert "13812345678" not in str(found.files["problem"].iloc[0])


def test_the_server_goes_when_the_process_that_reads_is_killed(tmp_path):
    path = orders(tmp_path / "orders.csv", 20)
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from helpers import reference; from helpers.clean import reader_process\n"
        "readers = reader_process.Readers()\n"
        f"readers.read(Path({str(path)!r}), systems=reference.systems(), name='o', **{OPTIONS!r})\n"
        "print(readers._server.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        server = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not Path(f"/proc/{server}").exists() or "Z" in status(server):
            return
        time.sleep(0.1)
    raise AssertionError("the server is still there ten seconds after its parent was killed")


def status(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2]
    except OSError:
        return "Z"
