"""Files that went wrong in every way we could think of.

No traceback, no row unaccounted for, no end of time or memory.

`make fuzz` tries 2,000 files (FUPAN_FUZZ=number for more or fewer), `make test` a few.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import random
import re
import resource
import signal
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from helpers import clean, reference
from helpers.clean import recognise, template
from helpers.clean.open_file import open_file
from helpers.clean.reader_process import PATIENCE, Readers
from helpers.reference import schema
from tests.clean.test_raw_file import ORDER, doudian
from tests.clean.test_reader_process import looping_xls
from tests.made_files import (
    KEY,
    SESSION,
    headers_of,
    in_english,
    named,
    table,
    whole_session,
    workbook,
)
from tests.made_files import export as mapping

FILES = int(os.environ.get("FUPAN_FUZZ", "80"))
IN_ALL = 8  # files of one workspace, for the whole ingest
SECONDS = 20  # of the processor, for one file; an ordinary one takes some hundredths
MEGABYTES = 1500  # more than before the first file, at the worst moment
seen: Counter[str] = Counter()


# ---- whole files


def _orders(count):
    return [
        {
            **ORDER,
            "子订单编号": f"\t69179267688236{number + 1:05d}",
            "订单应付金额": str(10 + number),
            "选购商品": f'卫衣, {number} "新"',
        }
        for number in range(count)
    ]


def _whole(folder: Path) -> dict[str, bytes]:
    """Well-formed exports by file name, made once."""
    sessions = [
        {
            **SESSION,
            "直播开始时间": f"2026/09/{day:02d} 08:55:37",
            "直播结束时间": f"2026/09/{day:02d} 12:55:37",
        }
        for day in range(1, 9)
    ]
    paths = [
        doudian(folder / "1791213782_订单.csv", *_orders(12)),
        doudian(folder / "订单gb.csv", *_orders(9), encoding="gb18030"),
        doudian(folder / "订单16.csv", *_orders(5), encoding="utf-16"),
        table(
            folder / "comments.csv",
            [["时间", "评论内容"], *([f"2026-11-10 20:00:{n:02d}", "多少钱"] for n in range(20))],
        ),
        workbook(
            folder / "场次.xlsx", Sheet1=[["直播间列表"], *named(SESSION, *sessions), ["合计"]]
        ),
        workbook(folder / "整场.xlsx", **whole_session()),
        table(
            folder / "淘宝.csv",
            named(
                headers_of(mapping("taobao", "orders_21")),
                *(
                    {"订单编号": str(n), "订单创建时间": "2026-05-01 20:00:00", "总金额": "5"}
                    for n in range(7)
                ),
            ),
        ),
        template.write_template(folder / "模板.xlsx", "zh"),
    ]
    with zipfile.ZipFile(folder / "全部.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths[:5]:
            archive.write(path, f"导出/{path.name}")
    return {path.name: path.read_bytes() for path in [*paths, folder / "全部.zip"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return _whole(tmp_path_factory.mktemp("whole"))


# ---- what can go wrong with them


def truncated(content, dice):
    return content[: dice.randrange(len(content) + 1)]


def flipped(content, dice):
    made = bytearray(content)
    for _ in range(dice.choice([1, 3, 30]) if made else 0):
        made[dice.randrange(len(made))] = dice.randrange(256)
    return bytes(made)


def with_nuls(content, dice):
    at = dice.randrange(len(content) + 1)
    return content[:at] + b"\0" * dice.choice([1, 7, 5000]) + content[at:]


def recoded(content, dice):
    """The text in another charset, or taken for one that it is not and written again."""
    text = content.decode(
        dice.choice(["utf-8-sig", "gb18030", "utf-16", "latin-1"]), errors="replace"
    )
    return text.encode(
        dice.choice(["utf-8", "gb18030", "utf-16", "utf-16-be", "big5", "shift_jis", "utf-32"]),
        errors="replace",
    )


def spliced(content, dice):
    cut, start = dice.randrange(len(content) + 1), dice.randrange(len(content) + 1)
    return content[:cut] + content[start : start + dice.randrange(4000)] + content[cut:]


def _cells(content):
    text = content.decode(
        "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace"
    )
    if "\n" not in text:
        return [[text]]
    limit = csv.field_size_limit(len(text) + 1)  # a whole file behind one open mark is a cell, too
    try:
        return list(csv.reader(io.StringIO(text.replace("\0", ""), newline="")))
    finally:
        csv.field_size_limit(limit)


def _written(rows, dice):
    out = io.StringIO()
    csv.writer(
        out, delimiter=dice.choice(",,,\t;|"), lineterminator=dice.choice(["\n", "\r\n", "\r"])
    ).writerows(rows)
    return out.getvalue().encode(dice.choice(["utf-8", "utf-8-sig", "gb18030"]), errors="replace")


def rearranged(content, dice):
    """Columns shuffled, renamed, doubled or dropped; rows shuffled or doubled.

    The header somewhere else.
    """
    rows = _cells(content)[:400]
    width = max(map(len, rows), default=0)
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    order = dice.sample(range(width), dice.randrange(1, width + 1)) if width else []
    rows = [[row[place] for place in order] for row in rows]
    for _ in range(dice.randrange(4) if rows and order else 0):
        at = dice.randrange(len(order))
        rows[0][at] = dice.choice(
            [
                rows[0][at] * 2,
                rows[0][at].strip() + " ",
                f"{rows[0][at]}（元）",
                "",
                "合计",
                "=A1",
                dice.choice(rows[0]),
            ]
        )
    dice.choice([list, dice.shuffle, lambda every: every.extend(every[1:])])(rows)
    return _written(rows, dice)


HARD_CELLS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.com")',
    "@SUM(1)",
    "-1+1",
    '"',
    "'",
    "\r\n",
    "13800138000",
    "浙江省杭州市西湖区文三路90号",
    "1e999",
    "NaN",
    "9" * 400,
    "2026-13-45",
    "03/04/2026",
    "0000-00-00",
    "\u202e反",
    "\ufeff",
    "💥",
    "-",
    "合计",
    "浙江市区路1号" * 3000,
    "区" * 40_000,
    "1" * 40_000,
    "2026-01-01 " * 4000,
    "¥" * 33_000,
    "1,2" * 11_000,
]


def with_hard_cells(content, dice):
    rows = _cells(content)[:400]
    for _ in range(dice.randrange(1, 6)):
        row = dice.choice(rows) if rows else []
        if row:
            row[dice.randrange(len(row))] = dice.choice(HARD_CELLS)
    return _written(rows, dice)


def with_a_huge_cell(content, dice):
    return (
        content
        + ("x" * 10_000_000 if dice.random() < 0.5 else "市区路1号" * 700_000).encode()
        + b"\n"
    )


def with_a_million_columns(content, dice):
    return content + b"," * dice.choice([20_000, 1_000_000]) + b"\n"


def _sheet(rows):
    cells = "".join(
        f'<row r="{row}"><c r="{name}" t="inlineStr"><is><t>订单编号</t></is></c></row>'
        for row, name in rows
    )
    return (
        '<?xml version="1.0"?><worksheet '
        'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension '
        f'ref="A1"/><sheetData>{cells}</sheetData></worksheet>'
    )


DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    IndexError,
)


def _rewritten(content, change):
    """An archive with what `change` makes of each part by name; None leaves the part out."""
    out = io.BytesIO()
    with (
        contextlib.suppress(*DAMAGES),
        zipfile.ZipFile(io.BytesIO(content)) as kept,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in kept.namelist():
            part = change(name, kept.read(name))
            if part is not None:
                archive.writestr(name, part)
    return out.getvalue() or content


def in_a_workbook_gone_wrong(content, dice):
    """A workbook whose parts are dropped, damaged, blown up, or that has cells in far corners."""

    def changed(name, part):
        fate = dice.random()
        if name.endswith(".xml") and "sheet1" in name and fate < 0.4:
            part = _sheet([(1, "A1"), (1_048_576, "XFD1048576")]).encode()
        elif fate < 0.5:
            part = dice.choice([truncated, flipped, with_nuls, spliced])(part, dice)
        elif fate < 0.53:
            part += b" " * 60_000_000
        return part if fate < 0.95 else None

    return _rewritten(content, changed)


PATHS = [
    "../../evil.csv",
    "/etc/evil.csv",
    "C:\\evil.csv",
    "..\\evil.csv",
    "a/../../evil.csv",
    "好/订单.csv",
    "",
    "a" * 300 + ".csv",
    "订单.csv\0.exe",
    "__MACOSX/x.csv",
    "con.csv",
    "x.zip",
]


def in_a_zip(content, dice):
    """The file in a zip.

    Paths that lead out, a zip in the zip, a bomb beside it, a wrong checksum.
    """
    out = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        contextlib.suppress(ValueError),
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for _ in range(dice.randrange(1, 4)):
            archive.writestr(zipfile.ZipInfo(dice.choice(PATHS)), content)
        if dice.random() < 0.1:
            archive.writestr("bomb.csv", b"0" * 60_000_000)
        if dice.random() < 0.2:
            archive.writestr("in.zip", out.getvalue())
    made = out.getvalue()
    return dice.choice(
        [made, made, flipped(made, dice), truncated(made, dice)]
    )  # of a wrong checksum, a lost directory


def deflated(content, dice):
    return dice.choice(
        [
            zlib.compress(content),
            b"\x1f\x8b" + content,
            b"PK\x03\x04" + content,
            b"\xd0\xcf\x11\xe0" + content,
            b"<html>" + content,
            b"%PDF-1.7\n" + content,
        ]
    )


SMALL = [
    truncated,
    flipped,
    with_nuls,
    recoded,
    spliced,
    rearranged,
    with_hard_cells,
    in_a_workbook_gone_wrong,
    in_a_zip,
    deflated,
]
LARGE = [with_a_huge_cell, with_a_million_columns]
ENDINGS = [".csv", ".xlsx", ".xls", ".zip", ".txt", "", ".CSV", ".pdf"]


def with_odd_places(content, dice):
    """A workbook whose cells and rows say their place oddly, far away, or not at all.

    And sometimes one text in all cells. It can end the process that reads it.
    """
    places = [b"", b' r="XFD1048576"', b' r=" XFD9 "', b' r="xfd1048576"', b' r="$A$1048576"']
    places += [b' r="A99999999999"', b' r="-1"', b' s="9" r="ZZZ7"', b" r='B2 '", b' r=""']

    def changed(name, part):
        if "worksheets" in name:
            rate = dice.choice([0.001, 0.05, 1])
            part = re.sub(
                rb' r="[A-Z]*[0-9]+"',
                lambda place: dice.choice(places) if dice.random() < rate else place[0],
                part,
            )
            if dice.random() < 0.2:
                cell = b'<c t="s"><v>0</v></c>' * dice.choice([100, 60_000])
                part = part.replace(b"</sheetData>", b"<row>%b</row></sheetData>" % cell)
        if "sharedStrings" in name and dice.random() < 0.5:
            part = part.replace(b"</t>", b"x" * 70_000 + b"</t>", 1)
        return part

    return _rewritten(content, changed)


def gone_wrong(whole, number, steps=SMALL):
    """One file gone wrong: its name, its bytes, and how; the same for the same number."""
    dice = random.Random(number)
    name = dice.choice(list(whole))
    content, how = whole[name], []
    steps = dice.choices(steps, k=dice.choice([1, 1, 1, 2, 3])) + (
        [dice.choice(LARGE)] if dice.random() < 0.02 else []
    )
    for step in steps:
        content = step(content, dice)
        how.append(step.__name__)
    stem, ending = name.rsplit(".", 1)
    return f"{stem}{dice.choice(ENDINGS) if dice.random() < 0.3 else '.' + ending}", content, how


# ---- what must hold


@contextlib.contextmanager
def within(seconds):
    """Fail, and say where, when the block takes longer of the processor, or far longer at all.

    By the clock alone a busy machine would be taken for a slow reader.
    """

    def late(*_):
        raise TimeoutError(f"longer than {seconds} s")

    timers = {
        (signal.ITIMER_PROF, signal.SIGPROF): seconds,
        (signal.ITIMER_REAL, signal.SIGALRM): seconds * PATIENCE,
    }
    before = {number: signal.signal(number, late) for _, number in timers}
    for (timer, _), most in timers.items():
        signal.setitimer(timer, most)
    try:
        yield
    finally:
        for timer, number in timers:
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def peak():
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows_by_hand(sheet) -> list[int]:
    """Numbers of the rows of a sheet that hold anything, cell by cell."""
    return [
        number
        for number, row in zip(
            sheet.grid.index, sheet.grid.astype("object").to_numpy(), strict=True
        )
        if any(cell is not None and str(cell).strip() not in ("", "nan") for cell in row)
    ]


def cells_by_hand(sheet, number) -> dict[int, str]:
    """What stands in a row of a sheet, by place."""
    cells = {place: str(cell).strip() for place, cell in sheet.grid.loc[number].items()}
    return {place: cell for place, cell in cells.items() if cell not in ("", "nan", "None")}


def lines_beside_rows(reading: clean.Reading, name: str, tables) -> int:
    """How many records of a sheet are further lines of a row that names several ids."""
    kept = [reading.tables[table] for table in tables if table in reading.tables]
    rows = [*(frame.loc[frame["source_sheet"].fillna("") == name, "source_row"] for frame in kept)]
    rows.append(reading.aside.loc[reading.aside["sheet"].fillna("") == name, "row"])
    count = pd.concat(rows).astype(int).value_counts()
    return int((count - 1).sum())


def is_row_of_headers(cells: dict[int, str], blocks: list[recognise.Block]) -> bool:
    """Whether a row says the headers of a table, cell by cell."""
    names = {place: recognise.normal(cell[:200].strip()) for place, cell in cells.items()}
    return any(
        all(names.get(header.place) == recognise.normal(header.text) for header in block.headers)
        for block in blocks
    )


def is_record_above(cells: dict[int, str], block: recognise.Block) -> bool:
    """Whether a row above the headers of a table looks like one of its rows."""
    here = [cells[header.place] for header in block.headers if header.place in cells]
    figures = any(re.fullmatch(r"\W*\d[\d\W]*", cell) for cell in here)
    return figures and len(here) >= max(3, len(block.headers) / 2)


def accounted(path: Path, reading: clean.Reading) -> None:
    """Every row that the format yields is kept, a total, aside, a header or above one.

    No row is two of these.
    """
    files = in_english(reading.files)
    assert (
        len(files)
        and (files["rows_in"].fillna(0) == files[list(clean.COUNTS[1:])].sum(axis=1))
        .where(files["table"].notna(), True)
        .all()
    )
    assert (
        len(reading.aside) == files["rows_aside"].sum()
        and files.loc[files["table"].isna() & files["sheet"].fillna("").eq(""), "problem"]
        .notna()
        .all()
    )
    known = recognise.candidates([*reference.systems(), template.system()])
    for sheet in open_file(path).sheets:
        name = "/".join(filter(None, [sheet.member, sheet.name]))
        if template.is_explanation(sheet.name) or sheet.grid.size > 3_000_000:
            continue
        entries, filled = files[files["sheet"].fillna("") == name], set(rows_by_hand(sheet))
        assert len(entries), f"the ledger says nothing of sheet {name!r}"
        blocks = recognise.tables(
            sheet.grid,
            sheet=sheet.name,
            file=Path(sheet.member).name or path.name,
            candidates=known,
        )
        if blocks and blocks[0].export.layout != "vertical":
            below = [set(block.rows.index) for block in blocks]
            more = lines_beside_rows(reading, name, entries["table"].dropna().unique())
            counted = entries["rows_in"].sum()
            assert set.union(*below) <= filled and sum(map(len, below)) + more == counted
            first = min(set.union(*below), default=max(filled))
            others = {
                number: cells
                for number in filled - set.union(*below)
                if not is_row_of_headers(cells := cells_by_hand(sheet, number), blocks)
            }
            # headers in two rows, of the tables that follow
            assert sum(number > first for number in others) <= 2 * (len(blocks) - 1)
            if blocks[0].export.layout == "rows" and any(
                number < first and is_record_above(cells, blocks[0])
                for number, cells in others.items()
            ):
                assert entries["problem"].str.contains("rows above the headers").any()
            aside = set(
                reading.aside.loc[reading.aside["sheet"].fillna("") == name, "row"].astype(int)
            )
            assert aside <= set.union(*below)
    for table_name, frame in reading.tables.items():
        wrong = schema.validate(frame, table_name)
        # two files of a zip may speak of one row, and rows of one key that differ are said to be
        # records of their own: the store brings them together, and completes their key
        of_table = files.loc[files["table"] == table_name, "problem"]
        differ = of_table.str.contains("and differ: each is a record of its own", na=False).any()
        others = [
            reason
            for reason in wrong["reason"]
            if not reason.startswith("expected one row per")
            or (frame["source_sheet"].nunique() < 2 and not differ)
        ]
        assert others == [], table_name


@pytest.mark.parametrize("part", range(4))
def test_no_file_gone_wrong_is_a_traceback_or_loses_a_row(part, whole, tmp_path):
    before = peak()

    @seed(part)
    @settings(
        max_examples=FILES // 4,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def one(number):
        name, content, how = gone_wrong(whole, number)
        path = tmp_path / name
        path.write_bytes(content)
        with within(SECONDS):
            reading = clean.read_file(
                path, systems=reference.systems(), timezone="Asia/Shanghai", key=KEY, currency="CNY"
            )
        accounted(path, reading)
        path.unlink()
        seen.update(how)
        seen["files"] += 1
        seen["read"] += bool(reading.tables)
        seen["refused"] += bool(reading.files["table"].isna().all())
        seen["rows"] += int(reading.files["rows_in"].sum())
        seen["aside"] += len(reading.aside)

    one()
    assert peak() - before < MEGABYTES
    print(f"\n{dict(seen)}")


def test_no_file_gone_wrong_brings_the_reader_down(whole, tmp_path):
    """Read apart: each ends in time and memory, and what could not be read is named."""
    readers, ended, steps = Readers(), Counter(), [*SMALL, *[with_odd_places] * 4]
    loops = {
        f"{where}.xls": looping_xls(tmp_path / where, where).read_bytes()
        for where in ("directory", "itself", "zeros", "tables")
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    for number in range(FILES):
        name, content, _ = gone_wrong({**whole, **loops}, 10**10 + number, steps)
        path = tmp_path / name
        path.write_bytes(content)
        began = time.monotonic()
        reading = readers.read(
            path, systems=reference.systems(), timezone="Asia/Shanghai", key=KEY, currency="CNY"
        )
        ended["seconds, at most"] = max(ended["seconds, at most"], time.monotonic() - began)
        files = in_english(reading.files)
        assert len(files) and set(files["file"]) == {name}
        whole_file = files["table"].isna() & files["sheet"].fillna("").eq("")
        assert files.loc[whole_file, "problem"].notna().all()
        ended["read"] += bool(reading.tables)
        ended["named"] += bool(files["problem"].notna().any())
        ended["died"] += bool(files["problem"].str.contains("its reader").any())
        path.unlink()
        if number % 100 == 99:
            print(f"{number + 1}: {dict(ended)}", flush=True)
    readers.close()  # of a server that is done, the readers count, too
    ended["MB, at most"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert max(ended["MB, at most"], before) < MEGABYTES
    print(f"\n{FILES} files read apart: {dict(ended)}")


@pytest.mark.parametrize("number", range(max(FILES // 40 // IN_ALL, 1)))
def test_a_workspace_of_files_gone_wrong_is_ingested_row_by_row(number, whole):
    """The whole way.

    Every file has its place in the ledger, the sums agree, and a second run changes nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        workspace = clean.Workspace.open(folder)
        workspace.raw.mkdir()
        (workspace.raw / "好.csv").write_bytes(whole["订单gb.csv"])
        for place in range(IN_ALL):
            name, content, _ = gone_wrong(whole, 10**9 + number * IN_ALL + place)
            (workspace.raw / f"{place} {name}").write_bytes(content)
        with within(SECONDS * IN_ALL):
            files = clean.ingest(workspace)
        assert set(files["file"]) == {
            path.relative_to(workspace.raw).as_posix() for path in workspace.raw_files()
        }
        known = files[files["table"].notna()]
        assert (known["rows_in"] == known[list(clean.COUNTS[1:])].sum(axis=1)).all()
        assert len(clean.read_table(workspace, "aside")) == files["rows_aside"].sum()
        assert (
            not clean.read_table(workspace, "orders").duplicated(["platform", "line_id"]).any()
            and len(clean.read_table(workspace, "orders")) >= 9
        )
        assert clean.read_table(workspace, "personal").empty
        pd.testing.assert_frame_equal(clean.ingest(workspace, force=True), files)


# ---- the worst ones, by themselves


def problem(path, content):
    path.write_bytes(content)
    with within(SECONDS):
        reading = clean.read_file(
            path, systems=reference.systems(), timezone="Asia/Shanghai", key=KEY, currency="CNY"
        )
    files = in_english(reading.files).dropna(subset="problem")
    places = files["sheet"].where(files["sheet"].fillna("") != "", files["file"])
    return "; ".join(places + ": " + files["problem"]), reading


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def test_two_cells_in_far_corners_do_not_fill_the_memory(tmp_path, whole):
    before, kept, out = peak(), zipfile.ZipFile(io.BytesIO(whole["场次.xlsx"])), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in kept.namelist():
            archive.writestr(
                name,
                _sheet([(1, "A1"), (1_048_576, "XFD1048576")])
                if "sheet1.xml" in name and "rels" not in name
                else kept.read(name),
            )
    said, _ = problem(tmp_path / "far.xlsx", out.getvalue())
    assert (
        "far.xlsx" in said and "1,048,576 rows by 16,384 columns" in said and peak() - before < 300
    )


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.xlsx"])
def test_a_bomb_is_refused_by_its_ratio_and_named(tmp_path, name):
    before = peak()
    inside = (
        [("[Content_Types].xml", "<x/>"), ("xl/worksheets/sheet1.xml", b" " * 80_000_000)]
        if name.endswith("xlsx")
        else [("a.csv", b"0" * 80_000_000)]
    )
    said, reading = problem(tmp_path / name, zipped(*inside))
    assert name in said and "zip bomb" in said and reading.tables == {} and peak() - before < 400


def test_a_bomb_in_a_zip_is_named_and_the_files_beside_it_are_read(tmp_path, whole):
    bomb = zipped(("[Content_Types].xml", "<x/>"), ("xl/sharedStrings.xml", b" " * 80_000_000))
    said, reading = problem(
        tmp_path / "all.zip",
        zipped(
            ("好.csv", whole["订单gb.csv"]),
            ("bomb.xlsx", bomb),
            ("../out.csv", b"a"),
            ("in.zip", zipped(("a.csv", b"1"))),
        ),
    )
    assert len(reading.tables["orders"]) == 9
    assert (
        "bomb.xlsx" in said
        and "../out.csv: It has a path that leads out" in said
        and "in.zip: It is a zip inside a zip" in said
    )


@pytest.mark.parametrize("path", PATHS[:5])
def test_no_path_leads_out_of_a_zip(tmp_path, path):
    before = set(tmp_path.parent.rglob("evil*"))
    said, reading = problem(tmp_path / "x.zip", zipped((path, "订单编号\n1\n")))
    assert (
        "leads out" in said
        and reading.tables == {}
        and set(tmp_path.parent.rglob("evil*")) == before
    )


@pytest.mark.parametrize("columns", [3_000, 1_000_000])
def test_a_row_of_too_many_columns_is_refused(tmp_path, columns):
    said, _ = problem(tmp_path / "wide.csv", b"a,b\n1,2\n" + b"x," * columns + b"\n")
    assert "wide.csv" in said and "expected at most 2,000" in said


def test_a_huge_cell_is_kept_aside_and_its_neighbours_are_read(tmp_path):
    rows = [
        "时间,评论内容",
        "2026-11-10 20:00:00,好",
        f"2026-11-10 20:00:01,{'市区路1号' * 2_000_000}",
        "2026-11-10 20:00:02,多少钱",
    ]
    _, reading = problem(tmp_path / "comments.csv", "\n".join(rows).encode())
    assert reading.tables["comments"]["text"].tolist() == ["好", "多少钱"]
    assert (
        reading.aside[["row", "reason"]].values.tolist() == [[3, "too_long"]]
        and reading.aside["row_json"].str.len().iloc[0] < 3000
    )


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_text_cut_off_in_the_middle_of_a_character_keeps_its_whole_rows(tmp_path, whole, cut):
    content = whole["订单gb.csv" if cut % 2 else "1791213782_订单.csv"]
    _, reading = problem(tmp_path / "o.csv", content[: len(content) - cut - 200])
    assert len(reading.tables["orders"]) >= 7


def test_stray_nuls_do_not_cost_the_file(tmp_path, whole):
    content = whole["订单gb.csv"]
    _, reading = problem(tmp_path / "o.csv", content[:-10] + b"\0" * 4096)
    assert len(reading.tables["orders"]) >= 8


def test_a_long_cell_among_the_first_rows_is_no_header_to_be_taken_apart(tmp_path):
    rows = ["时间,评论内容", "2026-11-10 20:00:00,好", f'2026-11-10 20:00:01,"{"([" * 2_000_000}"']
    _, reading = problem(tmp_path / "comments.csv", "\n".join(rows).encode())
    assert len(reading.tables["comments"]) == 1 and reading.aside["reason"].tolist() == ["too_long"]


def test_two_files_of_one_name_in_a_zip_are_two_files(tmp_path, whole):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped(("a.csv", whole["comments.csv"]), ("a.csv", whole["淘宝.csv"]))
    _, reading = problem(tmp_path / "x.zip", content)
    assert reading.files["sheet"].tolist() == ["a.csv", "a.csv (2)"] and set(reading.tables) == {
        "comments",
        "orders",
    }
