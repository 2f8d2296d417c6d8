"""A raw file is read in a process of its own, and breaks nothing else."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from helpers import clean, reference
from helpers.clean import folder, notes, raw_file, reader_process
from tests.made_files import in_english

MEGABYTES = 1_500  # of a reader, at its worst moment
GOOD = "时间,评论内容\n2026-11-10 20:00:00,好看\n2026-11-10 20:00:01,多少钱\n"
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


def book(path: Path, **parts: str) -> Path:
    """A workbook of one sheet, put together by hand."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**BOOK, **parts}.items():
            archive.writestr(name, content)
    return path


def far_cell(path: Path, reference_of_cell: str) -> Path:
    """A workbook of 1 KB whose one cell stands in the far corner, its place written as given."""
    cells = "<c><v>1</v></c>" * 16_384  # without a place: one after the other
    if reference_of_cell != "wide":
        cells = '<c r="A1"><v>1</v></c>'
    far = f'<row r="1048576"><c {reference_of_cell.removeprefix("wide")}><v>1</v></c></row>'
    rows = f'<row r="1">{cells}</row>{far}'
    sheet = f'<worksheet xmlns="{NAMESPACE}"><sheetData>{rows}</sheetData></worksheet>'
    return book(path, **{"xl/worksheets/sheet1.xml": sheet})


def long_string(path: Path, where: str) -> Path:
    """A workbook in which one text of 70,000 characters stands in 60,000 cells: 4 GB."""
    cell, parts, long = '<c t="s"><v>0</v></c>', dict(BOOK), "长" * 70_000
    if where == "shared":
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{NAMESPACE}"><si><t>{long}</t></si></sst>'
    elif where == "rich":
        runs = "".join(f"<r><t>{long[:1000]}</t></r>" for _ in range(70))
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{NAMESPACE}"><si>{runs}</si></sst>'
    else:
        cell = f'<c t="str"><f>A1</f><v>{long[:700]}</v></c>'
    relation = (
        '<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    )
    at = "xl/_rels/workbook.xml.rels"
    parts[at] = parts[at].replace("</Relationships>", relation)
    rows = f"<row>{cell * 20}</row>" * 3_000
    sheet = f'<worksheet xmlns="{NAMESPACE}"><sheetData>{rows}</sheetData></worksheet>'
    return book(path, **parts, **{"xl/worksheets/sheet1.xml": sheet})


def looping_xls(path: Path, where: str) -> Path:
    """An .xls of some KB whose chain of sectors comes back to where it was."""
    table, first, more = {
        "directory": ([-3, 2, 1], 1, (-2, 0)),
        "itself": ([-3, 1], 1, (-2, 0)),
        "zeros": ([0] * 128, 1, (-2, 0)),
        "tables": ([-3, -2], 1, (2, 9_999_999)),
    }[where]
    version = (62, 3, 0xFFFE, 9, 6)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<5H6x", *version)
    header += struct.pack("<9i", 0, 1, first, 0, 4096, -2, 0, *more)
    header += struct.pack("<109i", 0, *[-1] * 108)
    sector = struct.pack("<128i", *table, *[-1] * (128 - len(table)))
    name = "Workbook".encode("utf-16-le")
    entry = name.ljust(64, b"\0") + struct.pack("<HBBiii", 18, 2, 1, -1, -1, -1) + b"\0" * 36
    entry += struct.pack("<iQ", 1, 900_000_000)
    loop = struct.pack("<128i", *[0] * 127, 2)
    path.write_bytes(header + sector + entry * 4 + loop * 30)
    return path


def one_line(path: Path, cells: int) -> Path:
    """100 MB without the end of a line, in so many cells."""
    with path.open("wb") as file:
        for _ in range(100):
            file.write((b"x" * (100_000_000 // cells - 1) + b",") * (cells // 100) or b"x" * 10**6)
    return path


HOSTILE = {
    **{
        f"far {number}.xlsx": (far_cell, place)
        for number, place in enumerate(
            ['r=" XFD1048576 "', 'r="xfd1048576"', 'r="$XFD$1048576"', "", 'r = "XFD1048576"']
        )
    },
    "far wide.xlsx": (far_cell, "wide"),
    **{f"long {where}.xlsx": (long_string, where) for where in ("shared", "rich", "formula")},
    **{
        f"loop {where}.xls": (looping_xls, where)
        for where in ("directory", "itself", "zeros", "tables")
    },
    **{f"line {cells}.csv": (one_line, cells) for cells in (1, 1_000, 5_000_000)},
}

MANY_CELLS = ("line 1000.csv", "line 5000000.csv")
SLOW = pytest.mark.slow

# what a reader may be asked to do here: each must be found by its name in another process


def limits_here(path: Path) -> list[int]:
    held = int(Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]) * 1024
    return [
        resource.getrlimit(resource.RLIMIT_DATA)[0] - held,
        resource.getrlimit(resource.RLIMIT_CPU)[0],
    ]


def hungry(path: Path) -> int:
    return len(bytearray(10**10))


def endless(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1, resource.RLIM_INFINITY))
    while True:
        pass


def killed(path: Path) -> None:
    with path.open("a") as tries:
        tries.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def asleep(path: Path) -> None:
    path.write_text(str(os.getpid()))
    time.sleep(600)


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
    "name", [pytest.param(name, marks=SLOW if name in MANY_CELLS else []) for name in HOSTILE]
)
def test_a_hostile_file_is_named_in_bounded_memory(readers, tmp_path, monkeypatch, name):
    ended, forked = [], readers._forked

    def watched(*files) -> reader_process.Ended:
        ended.append(forked(*files))
        return ended[-1]

    monkeypatch.setattr(readers, "_forked", watched)
    make, how = HOSTILE[name]
    found = read(readers, make(tmp_path / name, how))
    assert not found.tables and found.files["file"].tolist() == [name]
    assert "expected" in clean.said(found.files["problem"].iloc[0], "en").casefold()
    assert len(ended) == 1 and ended[0].memory < MEGABYTES * 1_000_000
    assert len(read(readers, comments(tmp_path / "comments.csv")).tables["comments"]) == 2


def comments(path: Path) -> Path:
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_reader_has_limits_by_the_size_of_its_file(readers, tmp_path):
    small, large = comments(tmp_path / "a.csv"), tmp_path / "b.csv"
    large.write_bytes(b"x" * 3_000_000)
    memory, seconds = readers.call(limits_here, small)
    assert abs(400_000_000 - memory) < 5_000_000 and seconds == 20
    more, longer = readers.call(limits_here, large)
    assert abs(36_000_000 - (more - memory)) < 5_000_000
    assert longer - seconds == 6


def test_a_workbook_has_limits_by_what_it_unpacks_to(tmp_path):
    path = book(tmp_path / "a.xlsx", **{"xl/worksheets/sheet1.xml": "x" * 10_000_000})
    allowed = reader_process.limits_of(path)
    assert path.stat().st_size < 100_000
    assert 520_000_000 < allowed.memory < 525_000_000 and allowed.seconds == 40


@pytest.mark.parametrize(
    ("does", "said"), [(hungry, "had no memory left"), (endless, "SIGXCPU"), (killed, "SIGKILL")]
)
def test_how_a_reader_ended_is_said(readers, tmp_path, does, said):
    path = tmp_path / "a.csv"
    with pytest.raises(reader_process.ReaderError, match=said):
        readers.call(does, path)
    if does is killed:
        assert path.read_text() == "xx"  # it was tried again


def test_a_fault_of_the_reader_is_named_without_what_the_file_holds(readers, tmp_path):
    with pytest.raises(reader_process.ReaderError, match=r"KeyError in raw_file\.py") as fault:
        readers.call(raw_file.export, tmp_path / "a.csv", name="13812345678", systems=[])
    assert "13812345678" not in str(fault.value)


def test_without_fork_each_file_has_a_new_process(readers, tmp_path, monkeypatch):
    path = orders(tmp_path / "订单.csv", 30)
    want = read(readers, path)
    monkeypatch.setattr(reader_process, "FORKS", False)
    alone = reader_process.Readers()
    same(read(alone, path), want)
    assert alone._server is None
    with pytest.raises(reader_process.ReaderError, match="had no memory left"):
        alone.call(hungry, path)


def test_a_server_that_died_is_started_again(readers, tmp_path):
    path = comments(tmp_path / "a.csv")
    read(readers, path)
    os.kill(readers._server, signal.SIGKILL)
    assert len(read(readers, path).tables["comments"]) == 2


def open_files(process: int | str) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def test_nothing_is_left_of_readers_that_are_done(readers, tmp_path):
    path = comments(tmp_path / "a.csv")
    read(readers, path)
    server = readers._server
    before = open_files("self")
    threads = [threading.Thread(target=lambda: read(readers, path)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(reader_process.ReaderError):
        readers.call(killed, tmp_path / "b.csv")
    wait_for(lambda: not Path(f"/proc/{server}/task/{server}/children").read_text())
    wait_for(lambda: open_files(server) == 3)  # its line to us, and where output would go
    assert open_files("self") == before


def test_readings_that_are_kept_hold_no_file_open(readers, tmp_path):
    path = comments(tmp_path / "a.csv")
    kept = [read(readers, path)]
    before = open_files("self")
    kept += [read(readers, path) for _ in range(5)]
    assert open_files("self") == before
    assert all(len(reading.tables["comments"]) == 2 for reading in kept)


def wait_for(what) -> None:
    for _ in range(200):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("not within twenty seconds")


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_server_and_readers_go_when_the_process_that_asks_is_killed(tmp_path):
    path = tmp_path / "reader"
    program = (
        "import threading; from pathlib import Path; from helpers.clean import reader_process\n"
        "from tests.clean import test_reader_process as here\n"
        "readers = reader_process.readers(); readers.start(); print(readers._server, flush=1)\n"
        f"readers.call(here.asleep, Path({str(path)!r}))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        server = int(parent.stdout.readline())
        wait_for(lambda: path.exists() and path.read_text())
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: gone(server) and gone(int(path.read_text())))


def test_a_fork_of_the_process_that_asks_has_readers_of_its_own(tmp_path):
    path = comments(tmp_path / "a.csv")
    program = f"""
import os, threading, time
from pathlib import Path
from helpers.clean import reader_process
from helpers.clean.open_file import open_file
threading.Thread(target=time.sleep, args=(300,), daemon=True).start()
def rows():
    return len(reader_process.readers().open_file(Path({str(path)!r})).sheets[0].grid)
first = rows(), reader_process.readers()._server
forked = os.fork()
if not forked:
    try:
        fine = reader_process.readers()._server is None and rows() == first[0]
        reader_process.readers().close()
    finally:
        os._exit(0 if fine else 1)
assert os.waitpid(forked, 0)[1] == 0
print(first[0], rows(), first[1] == reader_process.readers()._server, first[1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    rows, again, same_server, server = done.stdout.split()
    assert (rows, again, same_server) == ("3", "3", "True")
    assert gone(int(server))


def test_a_process_of_one_thread_forks_its_server(tmp_path):
    path = comments(tmp_path / "a.csv")
    program = f"""
import os, signal, sys, threading, time
from pathlib import Path
from helpers.clean import reader_process
from tests.clean import test_reader_process as here
for number in range(40):
    os.dup(1)  # what this process has open is not the server's
signal.signal(signal.SIGTERM, lambda *_: print("of the process that asks", flush=True))
path, kinds = Path({str(path)!r}), []
for thread in (None, threading.Thread(target=threading.Event().wait, daemon=True)):
    if thread:
        thread.start()
    readers = reader_process.Readers()
    rows = len(here.read(readers, path).tables["comments"])
    server = readers._server
    # the server lets go of a file a moment after the reader has answered
    held = min(here.open_files(server) for _ in range(20) if not time.sleep(0.02))
    command = Path(f"/proc/{{server}}/cmdline").read_bytes()
    own = command == Path("/proc/self/cmdline").read_bytes()
    assert os.getsid(server) == server
    try:
        readers.call(here.hungry, path)
    except reader_process.ReaderError as error:
        died = "no memory left" in str(error)
    os.kill(server, signal.SIGTERM)  # whoever ends it, the next file has another
    again = len(here.read(readers, path).tables["comments"])
    readers.close()
    kinds.append(f"{{rows}} {{own}} {{held}} {{died}} {{again}} {{here.gone(server)}}")
print(*kinds, sep="|")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "2 True 3 True 2 True|2 False 3 True 2 True\n", done.stderr


# ---- what lies in raw/ and is no file that can be read


def in_another_charset(name: str, charset: str) -> str:
    return os.fsdecode(name.encode(charset))


def test_what_cannot_be_read_is_named_and_the_others_are_read(tmp_path, monkeypatch):
    raw = tmp_path / "shop" / "raw"
    (raw / "sub").mkdir(parents=True)
    comments(raw / "comments.csv")
    (raw / "gone.csv").symlink_to(tmp_path / "nothing.csv")
    (raw / "circle.csv").symlink_to(raw / "circle.csv")
    (raw / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(raw / "sub" / "pipe.csv")
    (raw / "folder.csv").mkdir()
    (raw / "shut.csv").write_text(GOOD + "2026-11-10 20:00:02,几号\n", encoding="utf-8")
    really = Path.open

    def refused(path: Path, *args, **options):
        if path.name == "shut.csv" and shut:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *args, **options)

    shut = True
    monkeypatch.setattr(Path, "open", refused)
    workspace = clean.Workspace.open(tmp_path / "shop")
    said = in_english(clean.ingest(workspace)).set_index("file")["problem"].dropna()
    words = {
        "gone.csv": "is a link to a file that is not there",
        "circle.csv": "cannot be opened",
        "elsewhere": "is a link to a folder",
        "sub/pipe.csv": "is a pipe, a device or a socket",
        "shut.csv": "cannot be opened (Permission denied)",
    }
    assert set(said.index) == set(words)
    assert all(said[name].startswith(f"It {of}") for name, of in words.items())
    assert said.str.contains("expected a file").all()
    assert len(clean.read_table(workspace, "comments")) == 2
    shut = False  # nothing else about the file changes
    assert "shut.csv" not in set(clean.ingest(workspace).dropna(subset="problem")["file"])
    assert len(clean.read_table(workspace, "comments")) == 3


def test_a_folder_that_is_shut_is_named(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    (raw / "shut").mkdir(parents=True)
    comments(raw / "a.csv")
    really = os.scandir

    def refused(path):
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return really(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert clean.Workspace.open(tmp_path).raw_files() == [raw / "a.csv", raw / "shut"]
    assert notes.parted(folder.unreadable(raw / "shut")) == [{"note": "shut_folder"}]


@pytest.mark.parametrize("charset", ["gbk", "big5", "shift_jis", "latin-1"])
def test_a_name_in_another_charset_is_a_file_like_others(tmp_path, charset):
    raw = tmp_path / "raw"
    raw.mkdir()
    name = in_another_charset("É" if charset == "latin-1" else "直播", charset)
    comments(raw / f"{name}.csv")
    orders(raw / f"{name}2.csv", 9).write_bytes(b"\0\1\2")
    workspace = clean.Workspace.open(tmp_path)
    files = clean.ingest(workspace)
    assert len(clean.read_table(workspace, "comments")) == 2
    assert files["problem"].notna().tolist() == [False, True]
    assert files["file"].str.endswith(".csv").all()
    "".join([*files["file"], *files["problem"].dropna()]).encode()  # all of it can be written
    pd.testing.assert_frame_equal(clean.ingest(workspace, force=True), files)
    if charset == "gbk":
        assert files["file"].tolist() == ["直播.csv", "直播2.csv"]
        (raw / "直播.csv").write_text(GOOD.replace("好看", "不好看"), encoding="utf-8")
        names = clean.ingest(workspace)["file"].tolist()
        # the first two of its bytes are a letter of UTF-8, too
        assert sorted(names) == sorted(["\u05b1\\xb2\\xa5.csv", "直播.csv", "直播2.csv"])


@pytest.mark.parametrize("charset", ["gbk", "utf-8"])
def test_names_in_a_zip_without_a_mark_of_their_charset(tmp_path, charset):
    name = "导出/评论.csv".encode(charset)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x" * len(name), GOOD)
    content = (tmp_path / "a.zip").read_bytes().replace(b"x" * len(name), name)
    (tmp_path / "a.zip").write_bytes(content)
    found = raw_file.read_file(tmp_path / "a.zip", systems=reference.systems(), **OPTIONS)
    assert found.files["sheet"].tolist() == ["导出/评论.csv"]
    assert len(found.tables["comments"]) == 2
