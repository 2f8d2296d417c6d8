"""Notebook 05 where a whole table lacks, and its figures where cases are odd."""

import json
import shutil
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest

from helpers import aftersales, clean, reference
from helpers.aftersales import final_returns, profit, reasons
from helpers.review import open_review

matplotlib.use("agg")
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "05_aftersales.ipynb"
DAY = pd.Timedelta(days=1)


def rewrite(workspace, table, change):
    """Change a clean table in its place: what was read stays as it is, so nothing is read again."""
    for path in sorted((workspace / "clean" / table).glob("*.parquet")):
        frame = change(pd.read_parquet(path))
        path.unlink() if frame.empty else frame.to_parquet(path, index=False)
    state = workspace / "clean" / "state.json"  # what was written is not known any more
    kept = json.loads(state.read_text(encoding="utf-8")) | {"written": {}}
    state.write_text(json.dumps(kept), encoding="utf-8")


@pytest.fixture(scope="module")
def small_workspace(demo_workspace, tmp_path_factory):
    """The newest six sessions of the demo alone."""
    folder = shutil.copytree(demo_workspace, tmp_path_factory.mktemp("small") / "shop")
    names = set(clean.sessions(clean.Workspace.open(folder))["session_id"].tail(6))
    for table in ("sessions", "orders", "aftersales", "products", "service", "rundown", "traffic"):
        rewrite(folder, table, lambda frame: frame[frame["session_id"].isin(names)])
    return folder


@pytest.fixture
def page(small_workspace, tmp_path):
    """Run notebook 05 on the third newest session without one table: what its cells make."""

    def run(table):
        folder = shutil.copytree(small_workspace, tmp_path / "shop")
        rewrite(folder, table, lambda frame: frame.head(0))
        session = clean.sessions(clean.Workspace.open(folder))["session_id"].iloc[-3]
        made = {}
        for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, cell.id, "exec"), made)
                if "parameters" in cell.metadata.get("tags", []):
                    made |= {
                        "session_id": session,
                        "data_dir": str(folder),
                        "reports_dir": str(tmp_path / "reports"),
                    }
        return made

    return run


def amounts(made):
    return made["net"].set_index("line")["amount"]


def test_without_cases_the_order_export_tells_and_no_curve_is_made_up(page):
    made = page("aftersales")
    own = made["orders"]
    paid = own["paid_at"].notna()
    assert (
        made["returns"].set_index("rate").loc["refunded", "numerator"]
        == (own["refunded"].gt(0) & paid).sum()
    )
    assert (
        made["curve"].empty
        and made["expected"]["expected"].isna().all()
        and np.isnan(amounts(made)["expected_net"])
    )
    assert amounts(made)["net"] == pytest.approx(
        own.loc[paid, "paid"].sum() - own.loc[paid, "refunded"].clip(upper=own["paid"]).sum()
    )
    assert (
        made["why"]["count"].sum() == made["lines"]["refunded"].sum()
        and made["todo"].empty
        and made["tested"]["expected"].isna().all()
    )


def test_without_orders_the_session_s_own_totals_are_shown_and_cases_are_not_mixed_in(page):
    made = page("orders")
    assert (
        made["lines"].empty
        and made["products"].empty
        and made["tested"].empty
        and made["newest"].empty
    )
    assert made["returns"]["basis"].eq("session").all() and (made["returns"]["value"] <= 1).all()
    assert not set(made["rows"][0]) & {"net_amount"} and all(
        row["metric"] != "net_amount" for row in made["rows"]
    )
    assert made["duties"].set_index("task").loc["shipped", "n"] == 0


# -------------------------------------------- odd cases: the notebook's figures from its functions


@pytest.fixture(scope="module")
def tables(demo_workspace):
    """The review of the fifth newest session, and the account's lines before it."""
    workspace = clean.Workspace.open(demo_workspace)
    review = open_review(
        clean.sessions(workspace)["session_id"].iloc[-5],
        data_dir=str(demo_workspace),
        notebook="05_aftersales",
    )
    return review, aftersales.lines(
        review.history("orders"), review.everything("aftersales"), as_of=review.as_of
    )


@pytest.fixture
def chapter(tables):
    """What the notebook makes of the session's orders and cases after a change, by name."""

    def made(orders=lambda frame: frame, cases=lambda frame: frame):
        review, past = tables
        sold, odd = orders(review.table("orders")), cases(review.table("aftersales"))
        lines = aftersales.lines(sold, odd, as_of=review.as_of)
        net = final_returns.net_amount(
            lines, final_returns.expected_final(lines, past, as_of=review.as_of)
        )
        statement = profit.statement(
            review.session,
            costs=review.everything("costs"),
            units=profit.units_kept(lines),
            refunded=lines["refunded_amount"].sum(),
        )
        return {
            "orders": sold,
            "cases": odd,
            "lines": lines,
            "net": net,
            "statement": statement,
            "why": reasons.shares(lines, tree=reference.reasons()),
            "returns": aftersales.so_far(lines, review.session, as_of=review.as_of),
        }

    return made


def test_cases_whose_orders_are_missing_count_in_no_rate_and_are_named(chapter):
    made = chapter(orders=lambda frame: frame[frame["line_id"].str[-1].isin(list("02468"))])
    odd = ~made["cases"]["line_id"].str[-1].isin(list("02468"))
    assert aftersales.unmatched(made["cases"], made["orders"]) == odd.sum() > 0
    told = made["returns"].set_index("rate")
    assert told.loc["refunded", "denominator"] == made["orders"]["paid_at"].notna().sum()
    paid_back = made["cases"][
        ~odd & made["cases"]["status"].eq("succeeded") & made["cases"]["kind"].ne("exchange")
    ]
    assert (
        told.loc["refunded", "numerator"]
        == paid_back["line_id"].nunique()
        == made["lines"]["refunded"].sum()
    )


def test_refunds_above_what_was_paid_never_pass_it(chapter):
    made = chapter(
        cases=lambda frame: pd.concat(
            [
                frame.assign(amount=frame["amount"] * 3),
                frame.assign(case_id=frame["case_id"] + "b", amount=frame["amount"] * 3),
            ],
            ignore_index=True,
        )
    )
    lines = made["lines"]
    assert (lines["refunded_amount"] <= lines["paid"]).all() and lines["line_id"].is_unique
    assert (
        made["returns"].set_index("rate").loc["refunded", "numerator"]
        == lines["refunded"].sum()
        <= len(lines)
    )
    assert amounts(made)["net"] >= 0 and amounts(made)["expected_net"] >= 0
    statement = made["statement"].set_index("line")["amount"]
    assert (
        statement["paid"] + statement["refunds"] >= 0
        and made["why"]["count"].sum() == lines["refunded"].sum()
    )


def test_exchanges_are_no_refunds(chapter):
    made = chapter(
        cases=lambda frame: frame.assign(
            kind="exchange", status=frame["status"].where(frame["status"] == "open", "exchanged")
        )
    )
    told = made["returns"].set_index("rate")
    assert (
        told.loc["refunded", "numerator"]
        == told.loc["amount", "numerator"]
        == told.loc["asked", "numerator"]
        == 0
    )
    assert told.loc["exchanged", "numerator"] == made["cases"]["line_id"].nunique() > 0
    assert amounts(made)["net"] == amounts(made)["paid"] and made["why"].empty
