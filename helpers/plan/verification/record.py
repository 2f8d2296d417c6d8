"""Which kinds of action have worked here: the verdicts of all plans, counted by what was done."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import stats, text

# judged actions: fewer of a kind are not ranked, of fewer in all nothing is said
FEWEST_RANKED = 5
RECORD_BY = ("dimension", "problem", "cause", "owner_role")


def _labels(by: str, playbook: Mapping[str, reference.Problem]) -> dict[object, reference.Label]:
    """Problems and causes also by name, which is all that some lines have."""
    if by not in ("problem", "cause"):
        return reference.terms()[{"owner_role": "role"}.get(by, by)]
    entries = (
        dict(playbook)
        if by == "problem"
        else {(name, one.id): one for name, problem in playbook.items() for one in problem.causes}
    )
    return {name: entry for entry in entries.values() for name in (entry.zh, entry.en)} | entries


def _kinds(
    checked: pd.DataFrame, by: str, playbook: Mapping[str, reference.Problem]
) -> pd.DataFrame:
    labels, kinds = _labels(by, playbook), []
    for row in checked.to_dict("records"):
        problem, word = row.get("problem_id"), row[by]
        id = (problem, row.get("cause_id")) if by == "cause" else problem
        label = labels.get(id if by in ("problem", "cause") else word, labels.get(word))
        kinds.append((label.zh, label.en) if label else (word, word))
    return pd.DataFrame(kinds, columns=["zh", "en"], index=checked.index)


COUNTED = ("effective", "effective_but_small", "not_effective", "harmful", "cannot_tell")
NUMBERS = ("done", "judged", *COUNTED, "effective_so_far", "running", "not_done")
SHARES = ("share", "lower", "upper", "median_effect")


def _counts(rows: pd.DataFrame) -> dict[str, object]:
    """Judged are those that had their planned sessions."""
    done = rows[rows["verdict"] != "not_done"]
    judged = done[done["final"] & done["verdict"].isin(COUNTED)]
    lower, upper = stats.wilson((judged["verdict"] == "effective").sum(), len(judged))
    return {
        "done": len(done),
        "judged": len(judged),
        **{name: int((judged["verdict"] == name).sum()) for name in COUNTED},
        "effective_so_far": int(
            (~done["final"].astype(bool) & done["verdict"].eq("effective")).sum()
        ),
        "running": len(done) - len(judged),
        "not_done": len(rows) - len(done),
        "share": (judged["verdict"] == "effective").mean() if len(judged) else np.nan,
        "lower": float(lower),
        "upper": float(upper),
        "median_effect": judged["effect"].median(),
    }


def track_record(checked: pd.DataFrame, playbook: Mapping[str, reference.Problem]) -> pd.DataFrame:
    """The verdicts of `verify` counted by kind of action: one row per record_by x kind.

    record_by is all, dimension, problem, cause or owner_role; zh, en name the kind. done = judged +
    running (too few sessions yet, of which effective_so_far, or not comparable); judged by verdict;
    share is effective of judged, those that could not be told included, with its Wilson interval
    (lower, upper); median_effect is over all judged, relative and in the good direction; these four
    are nan under `FEWEST_RANKED` judged. rank orders the kinds of one record_by by lower, where two
    or more have it.
    """
    rows = (
        [{"record_by": "all", "zh": "全部", "en": "All", **_counts(checked)}]
        if len(checked)
        else []
    )
    for by in RECORD_BY:
        kinds = _kinds(checked, by, playbook)
        rows += [
            {"record_by": by, "zh": zh, "en": en, **_counts(checked.loc[group.index])}
            for (zh, en), group in kinds.groupby(["zh", "en"], sort=False)
            if zh
        ]
    types = dict.fromkeys(NUMBERS, "int64") | dict.fromkeys(SHARES, "float64")
    record = pd.DataFrame(rows, columns=["record_by", "zh", "en", *types]).astype(types)
    few = record["judged"] < FEWEST_RANKED
    record = record.assign(**{name: record[name].mask(few) for name in SHARES})
    enough = record["lower"].groupby(record["record_by"])
    several = enough.transform("count") > 1  # one kind alone is no ranking
    rank = enough.rank(ascending=False, method="min").where(several)
    order = {by: place for place, by in enumerate(("all", *RECORD_BY))}
    return (
        record.assign(rank=rank, place=record["record_by"].map(order))
        .sort_values(["place", "rank", "judged"], ascending=[True, True, False], kind="stable")
        .drop(columns="place")
        .reset_index(drop=True)
    )


def record_sentence(record: pd.DataFrame, *, lang: str) -> str:
    """One sentence on the track record: how many actions worked, and the best kind if any."""
    whole = record[record["record_by"] == "all"]
    judged, early = int(whole["judged"].sum()), int(whole["effective_so_far"].sum())
    label = reference.terms()["plan_verdict"]["effective_so_far"]
    waits = (
        text.choose(lang, f"另有 {early} 条{label.zh}。", f" {early} more: {label.en.lower()}.")
        if early
        else ""
    )
    if judged < FEWEST_RANKED:
        return text.choose(
            lang,
            (
                f"看满约定场次、判过的行动有 {judged} 条，不到 {FEWEST_RANKED} 条，"
                f"还说不出哪类办法在这个账号有用。{waits}"
            ),
            (
                f"So far {judged} actions have been judged over their planned sessions, fewer than "
                f"{FEWEST_RANKED}: which kinds work on this account cannot be said yet.{waits}"
            ),
        )
    total = whole.iloc[0]
    bounds = text.interval(total["lower"], total["upper"], "percent", lang)
    head = text.choose(
        lang,
        (
            f"判过的 {judged} 条行动里，有效 {total['effective']} "
            f"条（{text.percent(total['share'])}，"
            f"区间 {bounds}）。"
        ),
        (
            f"Of {judged} actions judged, {total['effective']} worked "
            f"({text.percent(total['share'])}, interval {bounds})."
        ),
    )
    return head + _best_kind(record, lang) + waits


def _best_kind(record: pd.DataFrame, lang: str) -> str:
    for by in ("cause", "problem", "dimension"):
        ranked = record[(record["record_by"] == by) & record["rank"].notna()]
        if len(ranked) and ranked.iloc[0]["effective"]:
            best, name = ranked.iloc[0], text.plain(ranked.iloc[0][lang], 40)
            return text.choose(
                lang,
                (
                    f"判过至少 {FEWEST_RANKED} 条的各类里，「{name}」有效最多：{best['judged']} "
                    "条中 "
                    f"{best['effective']} 条。"
                ),
                (
                    f" Among kinds with at least {FEWEST_RANKED}, “{name}” worked most often: "
                    f"{best['effective']} of {best['judged']}."
                ),
            )
    return text.choose(
        lang,
        f"没有哪两类各判过至少 {FEWEST_RANKED} 条、其中还有有效的，不说哪类最好。",
        (
            f" No two kinds have at least {FEWEST_RANKED} each and one that worked: none is called "
            "the best."
        ),
    )
