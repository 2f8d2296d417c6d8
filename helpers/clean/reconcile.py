"""Does the money add up: parts against totals, orders against the platform, exports against each other, rates against counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from helpers import reference
from helpers.clean import attribution
from helpers.clean.tables import finest_slots
from helpers.core import text

PARTS = {
    "products": ("orders", "units", "paid_amount"),
    "traffic": ("orders", "paid_amount"),
    "minutes": ("orders", "paid_amount"),
}
MOST_NAMED = 3  # names in a sentence before the rest is counted
LIGHTS = ("red", "amber", "green", "grey")
BETWEEN_EXPORTS = ("orders", "units", "paid_amount", "user_paid_amount")
CHECK = [
    "check",
    "metric",
    "label_zh",
    "label_en",
    "total",
    "parts",
    "difference",
    "relative",
    "light",
    "note_zh",
    "note_en",
]
FLAG = ["table", "file", "sheet", "row", "column", "value", "reason"]


def contributions(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Which file gave how much to this session: one row per canonical table x file, with table, file, sheet and rows."""
    parts = [
        frame.groupby(["source_file", "source_sheet"], dropna=False, as_index=False)
        .size()
        .assign(table=name)
        for name, frame in tables.items()
        if len(frame) and "source_file" in frame
    ]
    found = (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["table", "source_file", "source_sheet", "size"])
    )
    return found.rename(columns={"source_file": "file", "source_sheet": "sheet", "size": "rows"})[
        ["table", "file", "sheet", "rows"]
    ]


def files_to_show(
    files: pd.DataFrame, parts: pd.DataFrame, systems: Iterable[reference.System]
) -> pd.DataFrame:
    """The ledger's rows that a reader of one session needs: sheets that gave it rows, and all that had a problem or rows aside.

    Beside the ledger's columns export_zh and export_en: the export's name, or that of the
    template's table.
    """
    ours = pd.MultiIndex.from_frame(parts[["file", "sheet"]].astype("str").fillna(""))
    every = pd.MultiIndex.from_frame(files[["file", "sheet"]].astype("str").fillna(""))
    shown = files[
        every.isin(ours) | files["problem"].notna() | (files["rows_aside"] > 0)
    ].reset_index(drop=True)
    names = {
        export.id: export for system in systems for export in system.exports
    } | reference.tables()
    return shown.assign(
        **{
            f"export_{lang}": shown["export"].map(
                {name: text.label(entry, lang) for name, entry in names.items()}
            )
            for lang in ("zh", "en")
        }
    )


def checks(
    session: pd.Series,
    tables: dict[str, pd.DataFrame],
    *,
    thresholds: dict[str, float],
    definitions: Mapping[str, list[reference.Definition]],
    files: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Each part table of a session summed and held against the session's own total, then its exports against each other.

    One row per check: check (table.column), metric, label_zh, label_en, total (the session row),
    parts (the sum), difference (parts − total), relative (of the total), light (green within
    reconcile_green, amber within reconcile_amber, else red; grey where a side is missing), note_zh
    and note_en. Where the parts agree with another meaning of the total (`definitions`) the notes
    name it and the light is amber at worst; where the session has no total of its own, one of the
    same line of money stands in. `tables` maps products, traffic, minutes, orders to their rows of
    this session; SKU rows are not counted twice. `files` is the session as each file gives it (see
    `exports`).
    """
    rows = []
    for table, columns in PARTS.items():
        frame = tables.get(table, pd.DataFrame())
        if table == "products" and len(frame):
            frame = frame[frame["sku_id"].isna()]
        rows += [
            _check(
                table,
                column,
                session,
                _total(frame, column),
                thresholds,
                definitions.get(column, []),
            )
            for column in columns
        ]
    paid = tables.get("orders", pd.DataFrame())
    paid = paid[paid["paid_at"].notna()] if len(paid) else paid
    lines = {
        "orders": paid["order_id"].nunique() if len(paid) else float("nan"),
        "units": _total(paid, "qty"),
        "paid_amount": _total(paid, "paid"),
    }
    rows += [
        _check("orders", column, session, value, thresholds, definitions.get(column, []))
        for column, value in lines.items()
    ]
    between = exports(files, thresholds=thresholds) if files is not None else pd.DataFrame()
    return pd.DataFrame([*rows, *between.to_dict("records")], columns=CHECK)


def exports(rows: pd.DataFrame, *, thresholds: dict[str, float]) -> pd.DataFrame:
    """Two exports of one session against each other: every older file's figures against those of the newest file that has them.

    `rows` is the session as each file gives it, oldest first (columns of sessions, `source_file`,
    `as_of`). One row per older file x total that both have, in the columns of `checks`: total is
    the newest file's, parts the older one's. A file that was made before the session's end, or
    within a day of it, is amber at worst: sales are still being attributed then.
    """
    found = []
    for column in BETWEEN_EXPORTS:
        known = rows[rows[column].notna()] if column in rows else rows.iloc[:0]
        for _, older in known.iloc[:-1].iterrows():
            found.append(_between(older, known.iloc[-1], column, thresholds))
    return pd.DataFrame(found, columns=CHECK)


def impossible(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows that say what cannot be: one row per flag, with table, file, sheet, row, column (or a+b), value, reason (`terms.yml`).

    Four kinds: cells whose value no export can mean and which were left out on reading; a column
    above one that it can never exceed (`tables.yml`: never_above); one above 0 where another,
    without which it cannot be, is 0 (never_without); a rate of the platform above 1 where its
    people are among those it divides by. The rows themselves are kept. `tables` maps canonical
    tables to their rows.
    """
    parts = [
        part
        for name, frame in tables.items()
        if len(frame) and name in reference.tables()
        for part in (_left_out(frame, name), _above(frame, name), _without(frame, name))
    ]
    parts.append(_above_one(tables.get("reported", pd.DataFrame())))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=FLAG)


def _flagged(
    frame: pd.DataFrame, table: str, column: object, value: object, reason: str
) -> pd.DataFrame:
    where = {
        name: frame.get(trace)
        for name, trace in (
            ("file", "source_file"),
            ("sheet", "source_sheet"),
            ("row", "source_row"),
        )
    }
    return pd.DataFrame(
        {"table": table, **where, "column": column, "value": value, "reason": reason},
        index=frame.index,
    )[FLAG]


def _left_out(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Cells left out on reading whose value no other file of the session has given since."""
    said = (
        frame["source_flags"].dropna().astype("str")
        if "source_flags" in frame
        else pd.Series(dtype="str")
    )
    said = said[said != ""].str.split("\n").explode()
    if said.empty:
        return pd.DataFrame(columns=FLAG)
    said = said.str.partition("=")
    rows = frame.loc[said.index]
    still = [name not in frame or pd.isna(frame.at[row, name]) for row, name in said[0].items()]
    return _flagged(rows, table, said[0].to_numpy(), said[2].to_numpy(), "left_out")[still]


def _above(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    return _pairs(frame, table, reference.tables()[table].never_above, _exceeds, " > ", "above")


def _without(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    return _pairs(
        frame,
        table,
        reference.tables()[table].never_without,
        lambda counted, needed: (counted > 0) & needed.eq(0),
        ", ",
        "without",
    )


def _pairs(
    frame: pd.DataFrame,
    table: str,
    limits: Mapping[str, Iterable[str]],
    broken: Callable[[pd.Series, pd.Series], pd.Series],
    between: str,
    reason: str,
) -> pd.DataFrame:
    """The rows in which two columns break a limit that `tables.yml` sets between them."""
    found = []
    for one, other in (
        (one, other)
        for one, others in limits.items()
        for other in others
        if {one, other} <= set(frame)
    ):
        rows = frame[broken(frame[one], frame[other])]
        values = [
            f"{_said(a)}{between}{_said(b)}" for a, b in zip(rows[one], rows[other], strict=True)
        ]
        found.append(_flagged(rows, table, f"{one}+{other}", values, reason))
    return pd.concat(found) if found else pd.DataFrame(columns=FLAG)


def _exceeds(low: pd.Series, high: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(low.dtype):
        return low > high * (1 + 1e-9) + 1e-9  # sums of cents
    return low > high


def _said(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, pd.Timestamp) else f"{value:.12g}"


def _above_one(reported: pd.DataFrame) -> pd.DataFrame:
    if reported.empty:
        return pd.DataFrame(columns=FLAG)
    limits = reference.tables()["sessions"].never_above
    among = [
        below in limits.get(above, [])
        for above, below in zip(reported["numerator"], reported["denominator"], strict=True)
    ]
    rows = reported[
        pd.Series(among, index=reported.index)
        & (reported["factor"].fillna(1) == 1)
        & (reported["value"] > 1)
    ]
    return _flagged(rows, "reported", rows["name"], rows["value"].map(_said), "above_one")


def rates(reported: pd.DataFrame, session: pd.Series, *, tolerance: float) -> pd.DataFrame:
    """The platform's own rates against the same rate from its counts: what the platform divides by what.

    One row per rate: name, value (as exported), recomputed, unit (percent, or that of what is
    counted), formula_zh, formula_en, light (green within the relative tolerance, red otherwise,
    grey where a count is missing).
    """
    rows = []
    columns = reference.tables()["sessions"].columns
    for row in reported.itertuples():
        if row.numerator not in columns or row.denominator not in columns:
            continue
        factor = row.factor if pd.notna(row.factor) else 1.0
        below = session[row.denominator]
        again = factor * session[row.numerator] / below if below else float("nan")
        light = (
            "grey"
            if pd.isna(again)
            else "green"
            if abs(again - row.value) <= tolerance * max(abs(again), 1e-3)
            else "red"
        )
        per = (
            {"zh": "（小时）", "en": " (hours)"}
            if factor == 3600
            else dict.fromkeys(("zh", "en"), "" if factor == 1 else f" × {factor:g}")
        )
        unit = {"money": "money", "users": "users", "count": "count"}.get(
            columns[row.numerator].kind, "score"
        )
        rows.append(
            {
                "name": row.name,
                "value": row.value,
                "recomputed": again,
                "unit": "percent" if factor == 1 and row.value <= 1 else unit,
                "formula_zh": (
                    f"{columns[row.numerator].zh} ÷ {columns[row.denominator].zh}{per['zh']}"
                ),
                "formula_en": (
                    f"{columns[row.numerator].en} ÷ {columns[row.denominator].en}{per['en']}"
                ),
                "light": light,
            }
        )
    return pd.DataFrame(
        rows, columns=["name", "value", "recomputed", "unit", "formula_zh", "formula_en", "light"]
    )


def worst(lights: pd.Series) -> str:
    """The verdict over several lights: the worst that was checked; grey only where nothing could be checked."""
    return next((light for light in LIGHTS if (lights == light).any()), "grey")


def quality(
    files: pd.DataFrame, checked: pd.DataFrame, attributed: pd.DataFrame, present: dict[str, bool]
) -> pd.DataFrame:
    """The data quality of a review in one row: light, counts of files and rows, missing tables, and a sentence in zh and en.

    `files` is the files ledger, `checked` the frame of `checks`, `attributed` the attribution
    ledger, `present` says of each canonical table that a review uses whether this session has rows
    of it.
    """
    rows = {
        name: int(files[name].sum())
        for name in ("rows_in", "rows_kept", "rows_totals", "rows_aside")
    }
    unread = list(
        files.loc[files["table"].isna() & files["problem"].notna(), "file"].map(text.plain).unique()
    )
    light = worst(checked["light"])
    lacking = [name for name, there in present.items() if not there]
    names = {
        lang: text.choose(lang, "、", ", ").join(
            text.label(reference.tables()[name], lang) for name in lacking
        )
        for lang in ("zh", "en")
    }
    share = (
        attributed.set_index("table")["share"] if len(attributed) else pd.Series(dtype="float64")
    )
    lights = reference.terms()["light"]
    left = [
        (
            reference.tables()[name],
            text.percent(1 - share[name]),
            _mostly(attributed.set_index("table").loc[name]),
        )
        for name in ("orders", "aftersales")
        if share.get(name, 1.0) < 1
    ]
    zh = (
        f"读入 {files['file'].nunique()} 个文件 {rows['rows_in']:,} 行：保留 "
        f"{rows['rows_kept']:,} 行，合计与说明行 {rows['rows_totals']:,} 行，"
        f"搁置 {rows['rows_aside']:,} 行；金额核对：{lights[light].zh}。"
        + (f"未能读入：{_some(unread, 'zh')}。" if unread else "没有读不了的文件。")
        + "".join(
            f"{table.zh}有 {part} 不归任何一场，主要是{why.zh}。" for table, part, why in left
        )
        + (f"缺少：{names['zh']}。" if lacking else "")
    )
    en = (
        f"{files['file'].nunique()} files with {rows['rows_in']:,} rows were read: "
        f"{rows['rows_kept']:,} kept, {rows['rows_totals']:,} totals and notes, "
        f"{rows['rows_aside']:,} kept aside; money: {lights[light].en.lower()}."
        + (f" Not read: {_some(unread, 'en')}." if unread else " Every file could be read.")
        + "".join(
            f" {part} of the {table.en.lower()} belong to no session, mostly: {why.en.lower()}."
            for table, part, why in left
        )
        + (f" Missing: {names['en'].lower()}." if lacking else "")
    )
    return pd.DataFrame(
        [
            {
                "light": light,
                "files": files["file"].nunique(),
                "unread": len(unread),
                **rows,
                "missing": ",".join(lacking),
                "orders_attributed": share.get("orders", float("nan")),
                "sentence_zh": zh,
                "sentence_en": en,
            }
        ]
    )


def verdict_words(verdict: pd.Series, lang: str) -> str:
    """Whether the session's data can be used, in a sentence of the row of `quality`."""
    money = {
        "green": ("可以用：钱和单对得上。", "The data can be used: money and orders reconcile."),
        "amber": (
            "可以用，但钱或单有差异：引用前先看下表写明的是哪一项。",
            (
                "The data can be used, but money or orders differ: see below in which check before "
                "quoting them."
            ),
        ),
        "red": (
            "先核对再用：钱或单对不上，下表写明是哪一项。",
            "Check before using them: money or orders do not reconcile; the table says where.",
        ),
        "grey": (
            "没有两份数据可以互相核对：金额只有一个出处，用时说明。",
            (
                "Nothing could be held against anything: the amounts have one source only; say so "
                "when using them."
            ),
        ),
    }[verdict["light"]]
    unread, aside = int(verdict["unread"]), int(verdict["rows_aside"])
    return (
        text.choose(lang, *money)
        + (
            text.choose(
                lang, f"有 {unread} 个文件没有读成。", f" {unread} files could not be read."
            )
            if unread
            else ""
        )
        + (
            text.choose(
                lang,
                f"全账号有 {aside:,} 行搁置，改好后再运行就会读入。",
                f" {aside:,} rows of the account are kept aside; mended, the next run reads them.",
            )
            if aside
            else ""
        )
    )


def overview(
    verdict: pd.Series,
    files: pd.DataFrame,
    aside: pd.DataFrame,
    checked: pd.DataFrame,
    flags: pd.DataFrame,
    *,
    partly: Mapping[str, Iterable[str]],
) -> pd.DataFrame:
    """What a reader asks of the data, answered: one row per question, with asked_zh, asked_en, answer_zh, answer_en, because_zh, because_en.

    `verdict` is the row of `quality`, `files` and `aside` the ledgers of the account, `checked` and
    `flags` those of the session; `partly` says by language what cannot be computed or drawn though
    its table is there.
    """
    made = {}
    for lang in ("zh", "en"):
        rows = [
            _files_read(verdict, files, lang),
            _rows_aside(verdict, aside, lang),
            _money_agrees(checked, lang),
            _cannot_be(flags, lang),
            _lacking(verdict, partly[lang], lang),
        ]
        made |= {
            f"{name}_{lang}": [row[place] for row in rows]
            for place, name in enumerate(("asked", "answer", "because"))
        }
    return pd.DataFrame(made)


def _files_read(verdict: pd.Series, files: pd.DataFrame, lang: str) -> tuple[str, str, str]:
    bad = files[files["table"].isna() & files["problem"].notna()].drop_duplicates("file")
    names = _some([text.plain(name, 80) for name in bad["file"]], lang)
    return (
        text.choose(lang, "文件都读了吗？", "Was every file read?"),
        text.choose(lang, f"{len(bad)} 个没读成", f"{len(bad)} were not")
        if len(bad)
        else text.choose(lang, "都读了", "yes"),
        names
        or text.choose(
            lang,
            f"{verdict['files']} 个文件，{verdict['rows_in']:,} 行",
            f"{verdict['files']} files, {verdict['rows_in']:,} rows",
        ),
    )


def _rows_aside(verdict: pd.Series, aside: pd.DataFrame, lang: str) -> tuple[str, str, str]:
    known = reference.terms()["reason"]
    why = [
        f"{text.label(known[reason], lang) if reason in known else text.plain(reason)} {count:,}"
        for reason, count in aside["reason"].value_counts().items()
    ]
    return (
        text.choose(lang, "有没有行没算进去，为什么？", "Were rows left out, and why?"),
        text.choose(lang, f"{len(aside):,} 行搁置", f"{len(aside):,} kept aside")
        if len(aside)
        else text.choose(lang, "没有", "none"),
        text.choose(lang, "；", "; ").join(why)
        or text.choose(
            lang,
            f"{verdict['rows_kept']:,} 行全部可用",
            f"all {verdict['rows_kept']:,} rows are usable",
        ),
    )


def _money_agrees(checked: pd.DataFrame, lang: str) -> tuple[str, str, str]:
    known = checked[checked["light"] != "grey"]
    off = known.loc[known["light"] != "green", f"label_{lang}"].tolist()
    agree = len(known) - len(off)
    return (
        text.choose(lang, "钱和单对得上吗？", "Do money and orders reconcile?"),
        text.label(reference.terms()["light"][worst(checked["light"])], lang),
        text.choose(
            lang, f"{len(known)} 项核对里 {agree} 项一致", f"{agree} of {len(known)} checks agree"
        )
        + (text.choose(lang, "；不一致：", "; not: ") + _some(off, lang) if off else ""),
    )


def _cannot_be(flags: pd.DataFrame, lang: str) -> tuple[str, str, str | None]:
    known = reference.terms()["reason"]
    why = [
        f"{text.label(known[reason], lang)} {count:,}"
        for reason, count in flags["reason"].value_counts().items()
    ]
    return (
        text.choose(lang, "有没有不可能的数值？", "Are there values that cannot be?"),
        text.choose(lang, f"{len(flags):,} 处", f"{len(flags):,}")
        if len(flags)
        else text.choose(lang, "没有", "none"),
        text.choose(lang, "；", "; ").join(why) or None,
    )


def _lacking(verdict: pd.Series, partly: Iterable[str], lang: str) -> tuple[str, str, str | None]:
    lacking, some = (
        [
            text.label(reference.tables()[name], lang)
            for name in verdict["missing"].split(",")
            if name
        ],
        [words.rstrip("。.") for words in partly],
    )
    return (
        text.choose(lang, "这一场缺哪些数据？", "Which data does this session lack?"),
        text.choose(lang, f"缺 {len(lacking)} 种", f"{len(lacking)} kinds")
        if lacking
        else text.choose(lang, "表都有，表里缺几栏", "no table, some columns")
        if some
        else text.choose(lang, "不缺", "none"),
        text.choose(lang, "；", "; ").join(
            [*([text.choose(lang, "、", ", ").join(lacking)] if lacking else []), *some]
        )
        or None,
    )


def ads_left_out(ads: pd.DataFrame, lang: str) -> list[str]:
    """Why a session's ad spend is not counted: no export covers the time when it began. One sentence, or none."""
    if ads.empty or len(finest_slots(ads)):
        return []
    first, last = ads["covers_from"].min(), ads["covers_to"].max() + pd.Timedelta(hours=1)
    return [
        text.choose(
            lang,
            (
                f"本场的投放消耗不计入：投放导出只含 {first:%Y-%m-%d %H:%M} 到 "
                f"{last:%Y-%m-%d %H:%M} "
                "的消耗（时段见文件名），本场不在这段时间开播，里面只有它的零头。"
            ),
            (
                "This session's ad spend is not counted: the ads export holds spend from "
                f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} only (as its file name says), "
                "and "
                "the session began outside that time: a remnant of its spend is all there is."
            ),
        )
    ]


def _mostly(attributed: pd.Series) -> reference.Term:
    """The reason for which most rows of a table belong to no session."""
    return reference.terms()["column"][
        max(attribution.UNATTRIBUTED, key=lambda why: attributed[why])
    ]


def _some(names: list[str], lang: str) -> str:
    """The first few names, and how many more there are."""
    more = (
        text.choose(lang, f" 等 {len(names)} 个", f" and {len(names) - MOST_NAMED} more")
        if len(names) > MOST_NAMED
        else ""
    )
    return text.choose(lang, "、", ", ").join(names[:MOST_NAMED]) + more


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
    note = {}
    for lang in ("zh", "en"):
        if stand_in:
            note[lang] = text.choose(
                lang,
                f"场次没有{whole.zh}，改与{stand_in.zh}核对",
                f"the session has no {whole.en.lower()}; held against what is {stand_in.en}",
            )
        if meant:
            note[lang] = text.choose(
                lang, f"口径不同：与{meant.zh}一致", f"another definition: agrees with {meant.en}"
            )
    return {
        "check": f"{table}.{column}",
        "metric": column,
        "label_zh": f"{part.zh}合计 对 场次总数：{whole.zh}",
        "label_en": f"{part.en} vs session total: {whole.en.lower()}",
        "total": total,
        "parts": parts,
        **_apart(parts, total),
        "light": "amber" if meant else light,
        "note_zh": note.get("zh"),
        "note_en": note.get("en"),
    }


def _own_total(
    session: pd.Series, column: str, meanings: list[reference.Definition]
) -> tuple[float, reference.Definition | None]:
    """The session's total; where it has none, one of the same line of money that it has (paid by users for paid, say)."""
    columns = reference.tables()["sessions"].columns
    if pd.isna(session[column]) and columns[column].line:
        for meaning in meanings:
            (first, *more) = meaning.terms
            if (
                not more
                and not meaning.minus
                and columns[first].line == columns[column].line
                and pd.notna(session[first])
            ):
                return session[first], meaning
    return session[column], None


def _meant(
    session: pd.Series,
    meanings: list[reference.Definition],
    parts: float,
    thresholds: dict[str, float],
) -> reference.Definition | None:
    """The other meaning of the total with which the parts agree."""
    return next(
        (
            meaning
            for meaning in meanings
            if _light(parts, _value(session, meaning), thresholds) == "green"
        ),
        None,
    )


def _value(session: pd.Series, meaning: reference.Definition) -> float:
    return sum(session[name] for name in meaning.terms) - sum(
        session[name] for name in meaning.minus
    )


def _between(
    older: pd.Series, newest: pd.Series, column: str, thresholds: dict[str, float]
) -> dict[str, object]:
    whole = reference.tables()["sessions"].columns[column]
    light = _light(older[column], newest[column], thresholds)
    early = (
        light == "red"
        and pd.notna(older["as_of"])
        and pd.notna(older["ended_at"])
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
        "note_zh": "较早的文件导出于下播后一天之内，成交仍在归因" if early else None,
        "note_en": (
            "the older file was made within a day of the end: sales were still being attributed"
        )
        if early
        else None,
    }


def _apart(parts: float, total: float) -> dict[str, float]:
    difference = parts - total
    return {
        "difference": difference,
        "relative": difference / total if total else (0.0 if difference == 0 else float("nan")),
    }


def _light(parts: float, total: float, thresholds: dict[str, float]) -> str:
    relative = _apart(parts, total)["relative"]
    limits = (("green", thresholds["reconcile_green"]), ("amber", thresholds["reconcile_amber"]))
    return (
        "grey"
        if pd.isna(relative)
        else next((name for name, limit in limits if abs(relative) <= limit), "red")
    )
