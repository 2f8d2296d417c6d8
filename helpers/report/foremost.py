"""Which findings matter most: the one order of brief, page and chat."""

import math
from collections.abc import Mapping

import pandas as pd

from helpers.core import findings
from helpers.plan import won_back
from helpers.report.signs import SEVERITY
from helpers.report.units import Registry

COLUMNS = ["id", "metric", "slice", "verdict", "value", "baseline", "money_at_stake", "p_adjusted"]
WORDS = ["sentence_zh", "sentence_en"]


def foremost(
    results: Mapping[str, pd.DataFrame], registry: Registry, *, most: int = 3
) -> pd.DataFrame:
    """The findings that matter most: the worse first, then by what they are worth.

    Better and worse ones count, and what the plan suspects of a source or product where its loss is
    sized, whatever its kind: one of each source or product, as what else is said of it is mostly
    the same money. The finding that sums up others is none of them. One row per finding, foremost
    first: `COLUMNS`, the sentences, amount (nan where none is known) and amount_of: won_back (what
    can be regained, by `opportunity`), gap (what it fell short), or empty.
    """
    rows = _judged(results["findings"])
    rows = pd.concat([rows, _suspected(results, registry)], ignore_index=True)
    if rows.empty:
        return rows.assign(amount=math.nan, amount_of="")
    sized = [_worth(row, results, registry) for row in rows.to_dict("records")]
    rows = rows.assign(
        amount=[amount for amount, _ in sized],
        amount_of=[kind for _, kind in sized],
        _first=rows["verdict"].map(SEVERITY | {"suspected": SEVERITY["worse"]}),
    )
    rows["_money"] = -rows["amount"].abs()
    ranked = rows.sort_values(
        ["_first", "_money", "p_adjusted", "id"], kind="stable", na_position="last"
    )
    about = ranked["slice"].map(findings.slice_key)
    chosen = about.eq("") | about.isin(findings.WHOLE) | ~about.duplicated()
    return ranked[chosen].head(most).drop(columns=["_first", "_money"]).reset_index(drop=True)


def better(results: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The findings that say that something went better than usual, the surest first."""
    rows = _judged(results["findings"])
    return rows[rows["verdict"].eq("better")].sort_values(["p_adjusted", "id"], kind="stable")


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return pd.DataFrame(columns=[*COLUMNS, *WORDS])
    rows = frame.reindex(columns=[*COLUMNS, *WORDS])
    rows = rows.astype({"slice": "object", "metric": "object"}).fillna({"slice": "", "metric": ""})
    return rows[rows["verdict"].isin(["worse", "better"]) & (rows["slice"] != findings.JUDGEMENT)]


def _suspected(results: Mapping[str, pd.DataFrame], registry: Registry) -> pd.DataFrame:
    """What the plan suspects of one source or product, with the finding that it rests on."""
    frame = results["problems"]
    if not {"certainty", "slice", "metric", "zh", "en"} <= set(frame.columns):
        return pd.DataFrame(columns=[*COLUMNS, *WORDS])
    rows = []
    for problem in frame[frame["certainty"].eq("suspected")].to_dict("records"):
        line = won_back.won_back(problem, results["opportunity"], registry)
        if line is None or not problem["slice"]:
            continue
        rests_on = asked_about(results["findings"], problem["slice"])
        rows.append(
            {
                **{name: problem.get(name) for name in COLUMNS},
                "id": rests_on.get("id", ""),
                "verdict": "suspected",
                **{
                    f"sentence_{lang}": rests_on.get(f"sentence_{lang}", problem[lang])
                    for lang in ("zh", "en")
                },
            }
        )
    return pd.DataFrame(rows, columns=[*COLUMNS, *WORDS])


def asked_about(frame: pd.DataFrame, slice: str) -> Mapping[str, object]:
    """The first finding about what viewers asked of a product; empty without one."""
    if "slice" not in frame:
        return {}
    of_product = f"product={findings.slice_key(slice)}"
    asked = frame["slice"].fillna("").map(lambda words: of_product in words.split("|"))
    return next(iter(frame[asked.astype(bool)].to_dict("records")), {})


def _worth(
    row: Mapping[str, object], results: Mapping[str, pd.DataFrame], registry: Registry
) -> tuple[float, str]:
    """What can be won back; of what was sold out, or where that is not known, what is missing."""
    if row["verdict"] != "better" and not won_back.of_sold_out(row, results["causes"]):
        line = won_back.won_back(row, results["opportunity"], registry)
        if line is not None and line["money"] > 0:
            return float(line["money"]), "won_back"
    gap = row["money_at_stake"]
    if isinstance(gap, float) and math.isfinite(gap) and gap:
        return abs(gap), "gap"
    return math.nan, ""
