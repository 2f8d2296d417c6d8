"""Notes of the team held against the records: borne out, contradicted, or not to be checked."""

import re
import types
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales import reasons
from helpers.core import text
from helpers.plan import causes, note_subjects, parts
from helpers.plan.facts import Facts
from helpers.plan.problems import OF_PRODUCTS, stages_overlap

TIMED = re.compile(
    r"太晚|晚了|太迟|迟了|太早|\btoo (?:late|early)\b", re.IGNORECASE
)  # a note about when, not how many
OF_TIME = (
    "cue_delay_minutes",
    "late_shipping_share",
    "first_reply_minutes",
    "max_gap_minutes",
)  # rules that measure when
LANGUAGES = ("zh", "en")
SAME = ["role", "stage", "dimension", "problem", "severity"]  # columns of a note as it is
NOTE_COLUMNS = [*SAME, "verdict", "matched", "evidence_zh", "evidence_en"]
NO_STANDING = pd.DataFrame(
    {"dimension": [], "key": [], "slice": [], "metric": [], "verdict": []}, dtype="str"
)
NO_COMPLAINTS = pd.DataFrame({"kind": [], "product": [], "written": []}, dtype="str")


def _cause_meant(
    note: str, judged: pd.DataFrame, playbook: Mapping[str, reference.Problem], meant: list[str]
) -> pd.Series | None:
    """The judged cause of which the longest word occurs in a note."""
    hits = [
        (len(word), row)
        for _, row in judged[judged["problem"].isin(meant)].iterrows()
        for cause in playbook[row["problem"]].causes
        if cause.id == row["cause"]
        for word in cause.words
        if word.casefold() in note.casefold() and _answers(note, cause)
    ]
    return (
        max(hits, key=lambda hit: (hit[0], causes.VERDICTS[::-1].index(hit[1]["verdict"])))[1]
        if hits
        else None
    )


def _answers(note: str, cause: reference.Cause) -> bool:
    """How many there were says nothing of late or early, sales say nothing of staying."""
    if _names_any(note, cause.unless):
        return False
    return cause.evidence is None or cause.evidence.rule in OF_TIME or not TIMED.search(note)


def _names_any(note: str, words: Iterable[str]) -> bool:
    return any(word.casefold() in note.casefold() for word in words)


def _speaks_of_more(note: str, problems: Iterable[reference.Problem]) -> bool:
    return any(
        _names_any(note, cause.words) and not _answers(note, cause)
        for problem in problems
        for cause in problem.causes
    )


MENTIONED = {
    "refund": ("本场退款", "refunds of this session"),
    "review": ("近 60 天评价", "reviews in 60 days"),
    "incident": ("近 60 天公关事件", "incidents in 60 days"),
}


def _complaint_verdict(
    note: str,
    named_products: Mapping[str, str],
    complaints: pd.DataFrame,
    tree: Mapping[str, reference.ReasonGroup],
) -> tuple[str, dict[str, str]] | None:
    """None without a reason; without complaints none can tell: goods may not have arrived."""
    group, reason = reasons.reason_of(note, tree)
    if reason == "unknown" or not named_products or complaints.empty:
        return None
    names = set(named_products.values())
    about = [
        row.product in names
        or (row.kind == "incident" and bool(_products_meant(str(row.written), named_products)))
        for row in complaints.itertuples()
    ]
    same = reasons.classified(complaints["written"], tree)["reason"].eq(reason)
    hits = complaints.loc[same & np.array(about, dtype=bool), "kind"].value_counts()
    verdict = (
        "borne_out"
        if hits.get("refund", 0) + hits.get("review", 0)
        else "hinted"
        if len(hits)
        else "cannot_tell"
    )
    words = {}
    for lang in ("zh", "en"):
        counts = text.choose(lang, "、", ", ").join(
            text.choose(lang, f"{zh} {hits.get(kind, 0)}", f"{en} {hits.get(kind, 0)}")
            for kind, (zh, en) in MENTIONED.items()
        )
        words[lang] = (
            f"{text.plain(min(names), 30)}{text.choose(lang, '，', ', ')}"
            f"{text.label(tree[group].reasons[reason], lang)}{text.choose(lang, '：', ': ')}"
            f"{counts}"
        )
    return verdict, words


def _note_verdict(
    meant: list[str],
    problems: pd.DataFrame,
    verdict_of: Mapping[str, str],
    playbook: Mapping[str, reference.Problem],
) -> tuple[str, str]:
    """The verdict by the metrics of a note's dimension, and the problems matched."""
    hits = problems[problems["problem"].isin(meant)]
    if len(hits):
        return ("borne_out" if hits["certainty"].eq("found").any() else "hinted"), ",".join(
            hits["problem"]
        )
    verdicts = {
        verdict_of[metric]
        for name in meant
        for metric in playbook[name].metrics
        if metric in verdict_of
    }
    return ("not_borne_out" if "better" in verdicts else "not_measurable"), ""


def _better_of(
    meant: list[str],
    verdict_of: Mapping[str, str],
    playbook: Mapping[str, reference.Problem],
    registry: Mapping[str, reference.Metric],
    lang: str,
) -> str:
    names = [
        metric
        for name in meant
        for metric in playbook[name].metrics
        if verdict_of.get(metric) == "better"
    ]
    listed = text.choose(lang, "、", ", ").join(
        text.label(registry[name], lang) for name in names[:2]
    )
    return text.choose(lang, f"{listed}变好", f"better: {listed}") if names else ""


def _problem_names(matched: str, problems: pd.DataFrame, lang: str) -> str:
    return text.choose(lang, "；", "; ").join(
        problems.loc[problems["problem"].isin(matched.split(",")), lang]
    )


def _products_meant(note: str, names: Mapping[str, str]) -> dict[str, str]:
    """Products by the longest end of a name, up to a space or number, that stands in a note."""
    hits: dict[str, int] = {}
    for product, name in names.items():
        head = re.split(r"[\s\d（(]", name)[0].casefold()
        fewest = 4 if head.isascii() else 2
        hits[product] = next(
            (size for size in range(len(head), fewest - 1, -1) if head[-size:] in note.casefold()),
            0,
        )
    longest = max(hits.values(), default=0)
    return {product: names[product] for product, size in hits.items() if size == longest and size}


def _product_verdict(
    meant: Mapping[str, str], standing: pd.DataFrame, registry: Mapping[str, reference.Metric]
) -> tuple[str, dict[str, str]]:
    rows = (
        standing[standing["dimension"].eq("product_id") & standing["key"].isin(list(meant))]
        if len(standing)
        else pd.DataFrame({"verdict": []})
    )
    verdict = next(
        (
            verdict
            for standing_verdict, verdict in (
                ("worse", "borne_out"),
                ("better", "not_borne_out"),
                ("cannot_tell", "cannot_tell"),
            )
            if rows["verdict"].eq(standing_verdict).any()
        ),
        "not_measurable",
    )
    shown = rows if verdict != "borne_out" else rows[rows["verdict"] == "worse"]
    return verdict, {
        lang: text.choose(lang, "；", "; ").join(
            _product_figure(row, registry[row["metric"]], lang)
            for _, row in shown.head(2).iterrows()
        )
        for lang in ("zh", "en")
    }


def _product_figure(row: pd.Series, metric: reference.Metric, lang: str) -> str:
    value, usual = (
        text.value(row[name], metric.unit, lang, decimals=metric.decimals)
        for name in ("value", "baseline")
    )
    name, label = text.plain(row["slice"], 30), text.label(metric, lang)
    return text.choose(
        lang,
        f"「{name}」{label} {value}，平时 {usual}",
        f"{name}: {label} {value}, usually {usual}",
    )


def check_notes(
    notes: pd.DataFrame,
    problems: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    verdicts: pd.DataFrame,
    judged: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    products: Mapping[str, str] = types.MappingProxyType({}),
    standing: pd.DataFrame = NO_STANDING,
    complaints: pd.DataFrame = NO_COMPLAINTS,
    tree: Mapping[str, reference.ReasonGroup] = types.MappingProxyType({}),
    facts: Facts | None = None,
) -> pd.DataFrame:
    """Whether the data bear out what the team noted: one row per note.

    Columns: role, stage, dimension, problem, severity, verdict, matched (problems or cause),
    evidence_zh, evidence_en. A note that names a cause of the playbook by its words is checked by
    that cause's evidence (`judged`, of all problems): supported is borne_out, not_supported
    not_borne_out. Any other by the metrics of its dimension and stage: borne_out where a problem
    was found, hinted where one is suspected, not_borne_out where a metric is better, else
    not_measurable: a dimension as usual says nothing of what the note means. A note on clicks or
    sales that names one of `products` (names by id) is checked by that product's `standing`
    (notebook 04), unless the cause that it names was found of it. One on after-sales that names a
    product and a reason of `tree` is checked by `complaints` (`reasons.complaints`) where no cause
    can be measured. With `facts` a note whose subject has a record of its own (`subjects.yml`: the
    refunds, watch time by source, that minute …) is checked by that, whatever its dimension, and
    one without stays open: what its dimension did says nothing of light or sound.
    """
    verdict_of: dict[str, str] = {}
    if len(verdicts):
        verdict_of = dict(zip(verdicts["metric"], verdicts["verdict"], strict=True))
    rows = []
    for note in notes.itertuples():
        written, dimension = note.problem, note.dimension
        held = note_subjects.held_against(str(written), facts, verdicts) if facts else None
        if held is not None and not _products_meant(written, products):
            row = {"verdict": held.verdict, "matched": held.acts.partition(".")[2]}
            row |= {name: getattr(note, name) for name in SAME}
            rows.append(row | {f"evidence_{lang}": held.words(lang) for lang in LANGUAGES})
            continue
        entries = {name: entry for name, entry in playbook.items() if entry.dimension == dimension}
        meant = [name for name, entry in entries.items() if stages_overlap(entry, note.stage)]
        named = _products_meant(written, products)
        of_products = named if dimension in OF_PRODUCTS else {}
        cause = _cause_meant(written, judged, playbook, list(entries))
        if cause is not None and cause["verdict"] != "not_measurable":
            about = parts.ids(cause["parts"])
            speaks = not (of_products and about and about.isdisjoint(of_products))
        else:
            speaks = False
        matched = ""
        if speaks:
            verdict = "borne_out" if cause["verdict"] == "supported" else "not_borne_out"
            matched = cause["cause"]
            words = {lang: cause[f"evidence_{lang}"] for lang in LANGUAGES}
        elif of_products:
            verdict, words = _product_verdict(of_products, standing, registry)
        elif facts is not None or (
            cause is None and (TIMED.search(written) or _speaks_of_more(written, entries.values()))
        ):
            verdict, words = "not_measurable", dict.fromkeys(LANGUAGES, "")
        else:
            verdict, matched = _note_verdict(meant, problems, verdict_of, playbook)
            words = {
                lang: cause[f"evidence_{lang}"]
                if cause is not None
                else _problem_names(matched, problems, lang)
                or (
                    _better_of(meant, verdict_of, playbook, registry, lang)
                    if verdict == "not_borne_out"
                    else ""
                )
                for lang in LANGUAGES
            }
        if dimension == "aftersales" and verdict == "not_measurable":
            on_reason = _complaint_verdict(written, named, complaints, tree)
            verdict, words = on_reason or (verdict, words)
        row = {"verdict": verdict, "matched": matched}
        row |= {name: getattr(note, name) for name in SAME}
        rows.append(row | {f"evidence_{lang}": words[lang] for lang in LANGUAGES})
    return pd.DataFrame(rows, columns=NOTE_COLUMNS)


def with_notes(problems: pd.DataFrame, notes: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """The problems with what the team noted, of them or of one of their supported causes.

    `notes` is `check_notes`; noted and noted_by are completed.
    """
    by = []
    for problem in problems.itertuples():
        supported = judged["problem"].eq(problem.problem) & judged["verdict"].eq("supported")
        on_causes = notes.loc[notes["matched"].isin(judged.loc[supported, "cause"]), "role"]
        by.append(",".join(sorted({*on_causes, *filter(None, problem.noted_by.split(","))})))
    return problems.assign(
        noted_by=pd.Series(by, index=problems.index, dtype="str"),
        noted=[bool(roles) for roles in by],
    )
