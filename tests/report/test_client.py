"""What goes outside holds none of what must stay inside, whatever stands there."""

import io
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers import reference, report
from helpers.report import client
from helpers.run import pdf
from tests import pdf_pages
from tests.conftest import chromium_path
from tests.report.test_role_sheets import QUESTIONS, SPANS
from tests.sample_review import results, session

RULES = reference.audience()
PRODUCTS = pd.DataFrame(
    {"name": ["霜"], "orders": [12.0], "paid_amount": [3456.7], "price": [1.0], "tier": ["profit"]}
)
SHOWN = {"products": PRODUCTS, "spans": SPANS, "questions": QUESTIONS}


def marked(kind: str, name: str, column: str, place: int) -> object:
    """A value that stands nowhere else."""
    texts = (
        "amount",
        "cost",
        "value",
        "income",
        "expense",
        "fee",
        "commission",
        "target",
        "gap",
        "brought",
        "rate",
    )
    if any(part in column for part in (*texts, "money", "lower", "upper", "count", "settled")):
        return 7_000_000.0 + 1_234.56 * (place + 1)
    return f"不许外传{kind}{name}{column}"


def planted() -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], list[object]]:
    """Tables and results in which each forbidden field has a marked value; and these values."""
    frames, marks = {"tables": {}, "results": {}}, []
    for kind, fields in (("tables", RULES.forbidden.tables), ("results", RULES.forbidden.results)):
        for name, columns in fields.items():
            row = {}
            for column in columns:
                row[column] = marked(kind, name, column, len(marks))
                marks.append(row[column])
            frames[kind][name] = pd.DataFrame([row])
    return frames["tables"], frames["results"], marks


def review_in(folder, tables, saved, own=None):
    """What `client.publish` needs of a Review."""
    for name, frame in saved.items():
        path = folder / "results" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path)
    empty = pd.DataFrame({"product_id": pd.Series(dtype=str), "sku_id": pd.Series(dtype=str)})
    row = session() if own is None else own
    return SimpleNamespace(
        out_dir=folder,
        workspace=SimpleNamespace(reference=None),
        lang="zh",
        registry=reference.registry(),
        currency="CNY",
        session=row,
        session_id=row["session_id"],
        result=lambda name: saved.get(name, pd.DataFrame()),
        everything=lambda name: tables.get(name, empty),
    )


def all_of(folder) -> str:
    """Everything in page, PDF and workbook, unpacked."""
    content = (folder / "report.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(io.BytesIO((folder / "results.xlsx").read_bytes())) as book:
        content += "".join(book.read(name).decode() for name in book.namelist())
    printed = folder / "report.pdf"
    return content + ("".join(pdf_pages.sheets(printed.read_bytes())) if printed.exists() else "")


@pytest.mark.browser
def test_no_value_of_a_forbidden_field_is_in_a_byte_of_it(tmp_path):
    tables, saved, marks = planted()
    own = session()
    for column, value in tables["sessions"].iloc[0].items():
        own[column] = value
    # what is forbidden also stands beside what is shown, in columns that are not
    beside = {
        name: frame.assign(secret="不许外传的一列", margin=7_654_321.5)
        for name, frame in SHOWN.items()
    }
    review = review_in(tmp_path, tables, {**results(), **saved, **beside}, own)
    page = report.publish_client(review)
    pdf.print_pdf(page, chromium_path())
    content = all_of(page.parent)
    assert sorted(path.name for path in page.parent.iterdir()) == [
        "report.html",
        "report.pdf",
        "results.xlsx",
    ]
    assert "霜" in content and "3456.7" in content and "¥3,457" in content
    assert len(marks) > 60 and "不许外传" not in content
    numbers = [mark for mark in marks if isinstance(mark, float)]
    for number in [*numbers, 7_654_321.5]:
        written = (f"{number:.2f}", f"{number:.0f}", f"{number:,.0f}", f"{number / 1e4:,.2f}万")
        assert not any(form in content for form in written), number


@pytest.mark.parametrize("kind", ["tables", "results"])
@pytest.mark.parametrize("leak", ["text", "number"])
def test_the_gate_refuses_what_leaks(tmp_path, kind, leak):
    tables, saved, _ = planted()
    frames = {"tables": tables, "results": saved}[kind]
    wanted = str if leak == "text" else float
    field, value = next(
        (f"{name}.{column}", frame.iloc[0][column])
        for name, frame in frames.items()
        for column in frame
        if isinstance(frame.iloc[0][column], wanted)
    )
    leaking = SHOWN["questions"].assign(
        **({"example": f"答：{value}"} if leak == "text" else {"users": value})
    )
    shown = {**SHOWN, "questions": leaking}
    if leak == "number":  # a value that may be shown where it stands is no leak, nor one by chance
        review = review_in(tmp_path, tables, {**saved, **shown})
        assert report.publish_client(review).exists()
        hits = client.failures(
            [f"共 {value:,.2f}"], [], client.forbidden(tables, saved, RULES.forbidden), shown=[]
        )
        assert hits == [f"client: a value of {field}"]
        return
    with pytest.raises(report.GateError, match=field.replace(".", r"\.")):
        report.publish_client(review_in(tmp_path, tables, {**saved, **shown}))
    assert not (tmp_path / "client" / "report.html").exists()


def test_small_numbers_and_short_words_are_no_leak():
    costs = pd.DataFrame({"item": ["staff"], "amount": [720.0]})
    values = client.forbidden({"costs": costs}, {}, RULES.forbidden)
    assert client.failures(["720 单 staff"], [720.0, np.nan], values, shown=[]) == []


def test_what_is_forbidden_is_not_shown():
    shown = RULES.shows.results
    for name, columns in RULES.forbidden.results.items():
        assert not set(columns) & set(shown.get(name, ()))
    everything = {"users": [1.0], "price": [2.0], "orders": [3.0]}
    frame = client.allowed(pd.DataFrame(everything), shown["products"])
    assert list(frame) == ["orders"]
