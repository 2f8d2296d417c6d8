"""Money is held against money: parts against totals, exports, and rates against counts."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.core import text

BETWEEN_EXPORTS = ("orders", "units", "paid_amount", "user_paid_amount")
CHECK = [
    *("check", "metric", "label_zh", "label_en"),
    *("total", "parts", "difference", "relative", "light", "note_zh", "note_en"),
]
_EARLY_ZH = "较早的文件导出于下播后一天之内，成交仍在归因"
_EARLY_EN = "the older file was made within a day of the end: sales were still being attributed"


def checks(
    session: pd.Series,
    tables: dict[str, pd.DataFrame],
    *,
    thresholds: dict[str, float],
    definitions: Mapping[str, list[reference.Definition]],
    files: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Each part table of a session summed and held against its total, then its exports.

    One row per check: check (table.column), metric, label_zh, label_en, total (the session row),
    parts (the sum), difference (parts − total), relative (of the total), light (green within
    reconcile_green, amber within reconcile_amber, else red; grey where a side is missing), note_zh
    and note_en. Where the parts agree with another meaning of the total (`definitions`) the notes
    name it and the light is amber at worst; for a missing total one of the same line of money
    stands in. `tables` maps products, traffic, minutes, orders to this session's rows; SKU rows are
    not counted twice. `files` are the rows of `exports`.
    """
    sums = []
    parts_of = {
        table: columns
        for rule in reference.invariants().values()
        if rule.kind == "session_total"
        for table, columns in rule.columns.items()
    }
    for table, columns in parts_of.items():
        frame = tables.get(table, pd.DataFrame())
        if table == "products" and len(frame):
            frame = frame[frame["sku_id"].isna()]
        sums += [(table, column, _total(frame, column)) for column in columns]
    paid = tables.get("orders", pd.DataFrame())
    paid = paid[paid["paid_at"].notna()] if len(paid) else paid
    sums += [
        ("orders", "orders", paid["order_id"].nunique() if len(paid) else float("nan")),
        ("orders", "units", _total(paid, "qty")),
        ("orders", "paid_amount", _total(paid, "paid")),
    ]
    rows = [
        _check(table, column, session, parts, thresholds, definitions.get(column, []))
        for table, column, parts in sums
    ]
    between = exports(files, thresholds=thresholds) if files is not None else pd.DataFrame()
    return pd.DataFrame([*rows, *between.to_dict("records")], columns=CHECK)


def exports(rows: pd.DataFrame, *, thresholds: dict[str, float]) -> pd.DataFrame:
    """The exports of one session: each older file's figures against the newest that has them.

    `rows` is the session as each file gives it, oldest first (columns of sessions, `source_file`,
    `as_of`). One row per older file x total that both have, in the columns of `checks`: total is
    the newest file's, parts the older one's. A file made before the session's end, or within a day
    of it, is amber at worst: sales are still being attributed then.
    """
    comparisons = []
    for column in BETWEEN_EXPORTS:
        stating = rows[rows[column].notna()] if column in rows else rows.iloc[:0]
        for _, older in stating.iloc[:-1].iterrows():
            comparisons.append(_between(older, stating.iloc[-1], column, thresholds))
    return pd.DataFrame(comparisons, columns=CHECK)


def rates(reported: pd.DataFrame, session: pd.Series, *, tolerance: float) -> pd.DataFrame:
    """The platform's own rates against the same rates from its counts.

    One row per rate: name, value (as exported), recomputed, unit (percent, or that of what is
    counted), formula_zh, formula_en, light (green within the relative tolerance, else red, grey
    where a count is missing).
    """
    rows = []
    columns = reference.tables()["sessions"].columns
    for row in reported.itertuples():
        if row.numerator not in columns or row.denominator not in columns:
            continue
        factor = row.factor if pd.notna(row.factor) else 1.0
        below = session[row.denominator]
        again = factor * session[row.numerator] / below if below else float("nan")
        light = "grey"
        if pd.notna(again):
            near = abs(again - row.value) <= tolerance * max(abs(again), 1e-3)
            light = "green" if near else "red"
        above, under = columns[row.numerator], columns[row.denominator]
        hours = factor == 3600
        per = "" if factor == 1 else f" × {factor:g}"
        unit = above.kind if above.kind in ("money", "users", "count") else "score"
        rows.append(
            {
                "name": row.name,
                "value": row.value,
                "recomputed": again,
                "unit": "percent" if factor == 1 and row.value <= 1 else unit,
                "formula_zh": f"{above.zh} ÷ {under.zh}{'（小时）' if hours else per}",
                "formula_en": f"{above.en} ÷ {under.en}{' (hours)' if hours else per}",
                "light": light,
            }
        )
    return pd.DataFrame(
        rows, columns=["name", "value", "recomputed", "unit", "formula_zh", "formula_en", "light"]
    )


def _total(frame: pd.DataFrame, column: str) -> float:
    return frame[column].sum(min_count=1) if len(frame) and column in frame else float("nan")


def _check(
    table: str,
    column: str,
    session: pd.Series,
    parts: float,
    thresholds: dict[str, float],
    meanings: list[reference.Definition],
) -> dict[str, object]:
    whole, part = reference.tables()["sessions"].columns[column], reference.tables()[table]
    total, stand_in = _own_total(session, column, meanings)
    light = _light(parts, total, thresholds)
    meant = None if light in ("green", "grey") else _meant(session, meanings, parts, thresholds)
    note_zh = note_en = None
    if stand_in:
        note_zh = f"场次没有{whole.zh}，改与{stand_in.zh}核对"
        note_en = f"the session has no {whole.en.lower()}; held against what is {stand_in.en}"
    if meant:
        note_zh = f"口径不同：与{meant.zh}一致"
        note_en = f"another definition: agrees with {meant.en}"
    return {
        "check": f"{table}.{column}",
        "metric": column,
        "label_zh": f"{part.zh}合计 对 场次总数：{whole.zh}",
        "label_en": f"{part.en} vs session total: {whole.en.lower()}",
        "total": total,
        "parts": parts,
        **_apart(parts, total),
        "light": "amber" if meant else light,
        "note_zh": note_zh,
        "note_en": note_en,
    }


def _own_total(
    session: pd.Series, column: str, meanings: list[reference.Definition]
) -> tuple[float, reference.Definition | None]:
    """The session's total, else one of the same line of money and its meaning."""
    columns = reference.tables()["sessions"].columns
    if pd.isna(session[column]) and columns[column].line:
        for meaning in meanings:
            (first, *more) = meaning.terms
            same_line = columns[first].line == columns[column].line
            if same_line and not more and not meaning.minus and pd.notna(session[first]):
                return session[first], meaning
    return session[column], None


def _meant(
    session: pd.Series,
    meanings: list[reference.Definition],
    parts: float,
    thresholds: dict[str, float],
) -> reference.Definition | None:
    for meaning in meanings:
        value = sum(session[name] for name in meaning.terms)
        value -= sum(session[name] for name in meaning.minus)
        if _light(parts, value, thresholds) == "green":
            return meaning
    return None


def _between(
    older: pd.Series, newest: pd.Series, column: str, thresholds: dict[str, float]
) -> dict[str, object]:
    whole = reference.tables()["sessions"].columns[column]
    light = _light(older[column], newest[column], thresholds)
    early = (
        light == "red"
        and older[["as_of", "ended_at"]].notna().all()
        and older["as_of"] < older["ended_at"] + pd.Timedelta(days=1)
    )
    name, latest = (text.plain(side["source_file"], 80) for side in (older, newest))
    return {
        "check": f"exports.{column}",
        "metric": column,
        "label_zh": f"较早的导出（{name}）对最新导出（{latest}）：{whole.zh}",
        "label_en": f"Older export ({name}) vs the newest ({latest}): {whole.en.lower()}",
        "total": newest[column],
        "parts": older[column],
        **_apart(older[column], newest[column]),
        "light": "amber" if early else light,
        "note_zh": _EARLY_ZH if early else None,
        "note_en": _EARLY_EN if early else None,
    }


def _apart(parts: float, total: float) -> dict[str, float]:
    difference = parts - total
    return {
        "difference": difference,
        "relative": difference / total if total else (0.0 if difference == 0 else float("nan")),
    }


def _light(parts: float, total: float, thresholds: dict[str, float]) -> str:
    relative = _apart(parts, total)["relative"]
    if pd.isna(relative):
        return "grey"
    lights = (
        name for name in ("green", "amber") if abs(relative) <= thresholds[f"reconcile_{name}"]
    )
    return next(lights, "red")


# figures of a day that its sessions add up to, with the column of sessions (None: how many they
# are), and what they may differ by beside the tolerance
SUMS_OF_DAY = {
    "session_count": (None, 0),
    "live_seconds": ("duration_seconds", 60),
    "views": ("views", 0),
    "new_fans": ("new_fans", 0),
}


class Compared(NamedTuple):
    """A figure that a day states beside what its sessions come to."""

    name: str
    stated: float
    sessions: float
    agrees: bool


def days(
    stated: pd.DataFrame,
    sessions: pd.DataFrame,
    orders: pd.DataFrame,
    *,
    until: pd.Timestamp,
    tolerance: float,
) -> pd.DataFrame:
    """The account's day figures beside its sessions, one row per account x day, newest first.

    `stated` are rows of `days`, counted up to the day of `until`; `sessions` and `orders` those of
    the workspace. A session belongs to the day and account on which it began. Columns: platform,
    room_name, day, viewers, session_count, live_seconds, views, new_fans, seeded_paid_amount,
    refund_amount (as stated), n (sessions there are), live_paid (their paid amount), outside_paid
    (order lines paid that day that belong to no session; `nan` where orders do not reach that day,
    or accounts share the platform), matches (missing where nothing can be compared), differs_zh,
    differs_en (how the sessions' sum is off by more than `tolerance`; viewers, who count once a
    day, are no fewer than in one session and no more than in all).
    """
    mine = stated[stated["day"].dt.normalize() <= until.normalize()]
    mine = mine.sort_values("day", ascending=False, kind="stable", ignore_index=True)
    began, paid_on = sessions["started_at"].dt.normalize(), orders["paid_at"].dt.normalize()
    apart = orders["session_id"].isna()
    outside = orders[apart].groupby(["platform", paid_on[apart]])["paid"].sum()
    reach = paid_on.groupby(orders["platform"]).agg(["min", "max"])
    alone = mine.groupby("platform")["room_name"].transform("nunique") <= 1
    rows = []
    for row, single in zip(mine.itertuples(index=False), alone, strict=True):
        day = row.day.normalize()
        held = sessions[(began == day) & (sessions["platform"] == row.platform)]
        if isinstance(row.room_name, str) and sessions["room_name"].eq(row.room_name).any():
            held = held[held["room_name"] == row.room_name]
        reached = row.platform in reach.index and bool(
            reach.loc[row.platform, "min"] <= day <= reach.loc[row.platform, "max"]
        )
        compared = _compared(row, held, tolerance)
        rows.append(
            [
                len(held),
                held["paid_amount"].sum(min_count=1),
                outside.get((row.platform, day), 0.0) if single and reached else float("nan"),
                all(figure.agrees for figure in compared) if compared else pd.NA,
                *(_difference(compared, lang) for lang in ("zh", "en")),
            ]
        )
    added = ["n", "live_paid", "outside_paid", "matches", "differs_zh", "differs_en"]
    table = pd.DataFrame(rows, columns=added).astype({"matches": "boolean"})
    columns = ["viewers", *SUMS_OF_DAY, "seeded_paid_amount", "refund_amount"]
    return mine[["platform", "room_name", "day", *columns]].join(table)


def _compared(row: tuple, held: pd.DataFrame, tolerance: float) -> list[Compared]:
    """A sum that lacks a session's figure says nothing and is not compared."""
    compared = []
    for name, (column, least) in SUMS_OF_DAY.items():
        stated = getattr(row, name)
        total = float(len(held)) if column is None else held[column].sum(skipna=False)
        if pd.notna(stated) and pd.notna(total) and (len(held) or column is None):
            near = abs(total - stated) <= max(tolerance * abs(stated), least)
            compared.append(Compared(name, stated, total, near))
    viewers = held["viewers"]
    if pd.notna(row.viewers) and len(held) and viewers.notna().all():
        low, high = viewers.max() * (1 - tolerance), viewers.sum() * (1 + tolerance)
        bound = viewers.max() if row.viewers < low else viewers.sum()
        compared.append(Compared("viewers", row.viewers, bound, low <= row.viewers <= high))
    return compared


def _difference(compared: list[Compared], lang: str) -> str:
    if not compared:
        return text.choose(lang, "没有可比的数", "nothing to compare")
    columns = reference.tables()["days"].columns
    off = [
        text.choose(lang, "{}：日 {}，场次 {}", "{}: day {}, sessions {}").format(
            text.label(columns[figure.name], lang),
            *(
                text.value(value, columns[figure.name].kind, lang)
                for value in (figure.stated, figure.sessions)
            ),
        )
        for figure in compared
        if not figure.agrees
    ]
    return text.choose(lang, "；", "; ").join(off) or text.choose(lang, "一致", "agrees")


def day_words(table: pd.DataFrame, lang: str) -> str:
    """How many days agree with their sessions, and what to do where they do not.

    `table` is that of `days`.
    """
    compared = table[table["matches"].notna()]
    off = compared[~compared["matches"].astype(bool)]
    count = text.choose(
        lang,
        f"{len(table)} 天的日数据里 {len(compared)} 天能与当天场次比",
        f"Of {len(table)} days with figures {len(compared)} can be held against their sessions",
    )
    if off.empty:
        return count + text.choose(lang, "，没有不符。", "; none differs.")
    listed = text.choose(lang, "、", ", ").join(f"{day:%m-%d}" for day in off["day"].head(5))
    listed += text.choose(lang, "等", " …") * (len(off) > 5)
    return count + text.choose(
        lang,
        f"，{len(off)} 天不符（{listed}）：可能缺场次导出，或日数据含别的账号；"
        "请补导这几天的场次列表。",
        f"; {len(off)} differ ({listed}): exports of sessions may be missing, or the day holds "
        "another account; export the list of sessions of those days again.",
    )
