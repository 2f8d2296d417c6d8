"""Findings: what the review asserts, each with evidence, verdict and sentences."""

import base64
import hashlib

import pandas as pd

COLUMNS = {
    "id": "str",
    "notebook": "str",
    "dimension": "str",
    "metric": "str",
    "slice": "str",
    "value": "float64",
    "baseline": "float64",
    "diff": "float64",
    "ci_lower": "float64",
    "ci_upper": "float64",
    "p_adjusted": "float64",
    "verdict": "str",
    "money_at_stake": "float64",
    "minute_from": "float64",
    "minute_to": "float64",
    "sentence_zh": "str",
    "sentence_en": "str",
}
JUDGEMENT = "diagnosis"  # slice of the finding that sums up others
WHOLE = ("", "formula", JUDGEMENT)  # slices of findings that speak of the whole session
VERDICTS = ("better", "worse", "cannot_tell", "not_comparable")


def make(
    *,
    notebook: str,
    dimension: str,
    metric: str,
    verdict: str,
    sentence_zh: str,
    sentence_en: str,
    slice: str = "",
    slice_id: str = "",
    value: float = float("nan"),
    baseline: float = float("nan"),
    ci_lower: float = float("nan"),
    ci_upper: float = float("nan"),
    p_adjusted: float = float("nan"),
    money_at_stake: float = float("nan"),
    minute_from: float = float("nan"),
    minute_to: float = float("nan"),
) -> dict[str, object]:
    """One finding as a row of `COLUMNS`; a new run gives the same subject the same id.

    Where `slice` holds a name, which may change or be cut, the id is made from `slice_id`.
    `ci_lower` and `ci_upper` bound `value`, or its prediction from the baseline where there is one.
    Raises `ValueError` for a verdict outside `VERDICTS` or an empty sentence.
    """
    if verdict not in VERDICTS:
        raise ValueError(
            f"finding {metric} {slice}: verdict {verdict!r}, expected one of {', '.join(VERDICTS)}"
        )
    if not sentence_zh or not sentence_en:
        raise ValueError(f"finding {metric} {slice}: a sentence is needed in both languages")
    subject = f"{notebook}|{dimension}|{metric}|{slice_id or slice}"
    # 64 bits never meet by chance, and base 32 has no runs of digits that look like a phone number
    mark = base64.b32encode(hashlib.blake2s(subject.encode(), digest_size=8).digest())
    return {
        "id": f"F{notebook[:2]}-{mark.decode().rstrip('=').lower()}",
        "notebook": notebook,
        "dimension": dimension,
        "metric": metric,
        "slice": slice,
        "value": value,
        "baseline": baseline,
        "diff": value - baseline,
        "ci_lower": ci_lower,
        "ci_upper": ci_upper,
        "p_adjusted": p_adjusted,
        "verdict": verdict,
        "money_at_stake": money_at_stake,
        "minute_from": minute_from,
        "minute_to": minute_to,
        "sentence_zh": sentence_zh,
        "sentence_en": sentence_en,
    }


def outcome(verdict: pd.Series, value: pd.Series, lower: pd.Series, upper: pd.Series) -> pd.Series:
    """Verdicts as they are read: normal, and not cannot_tell, for a value inside its range."""
    return verdict.mask(verdict.eq("cannot_tell") & value.between(lower, upper), "normal")


def frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Findings as a frame of `COLUMNS`, one row per finding.

    Raises `ValueError` where two findings carry one id: they speak of the same thing.
    """
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    repeated = table.loc[table["id"].duplicated(), ["metric", "slice"]]
    if len(repeated):
        raise ValueError(f"findings that speak of the same thing: {repeated.to_dict('records')}")
    return table


def together(*parts: pd.DataFrame) -> pd.DataFrame:
    """Findings of several frames as one, in their order."""
    return pd.concat([frame([]), *parts], ignore_index=True)


def slice_key(slice: str) -> str:
    """What a slice is matched by: the id in brackets of "name (id)", else the slice itself."""
    return slice[slice.rindex("(") + 1 : -1] if slice.endswith(")") and " (" in slice else slice


def slice_name(slice: str) -> str:
    """How a slice is called: the name of "name (id)"."""
    return slice[: slice.rindex(" (")] if slice.endswith(")") and " (" in slice else slice
