"""Whether the data of a session can be used: its files, its lights, what is lacking."""

from collections.abc import Iterable, Mapping

import pandas as pd

from helpers import reference
from helpers.clean import attribution
from helpers.clean.ledger import COUNTS, said
from helpers.clean.tables import finest_slots
from helpers.core import text

MOST_NAMED = 3  # names in a sentence before the rest is counted
LIGHTS = ("red", "amber", "green", "grey")


def contributions(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Which file gave how much to this session: table, file, sheet and rows."""
    parts = [
        frame.groupby(["source_file", "source_sheet"], dropna=False, as_index=False)
        .size()
        .assign(table=name)
        for name, frame in tables.items()
        if len(frame) and "source_file" in frame
    ]
    columns = {"table": "table", "source_file": "file", "source_sheet": "sheet", "size": "rows"}
    every = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))
    return every.rename(columns=columns)[[*columns.values()]]


def files_to_show(
    files: pd.DataFrame, parts: pd.DataFrame, systems: Iterable[reference.System]
) -> pd.DataFrame:
    """The ledger's rows that a reader of one session needs.

    Sheets that gave it rows, and all with a problem or rows aside. Added are export_zh and
    export_en (the export's name, or that of the template's table), problem_zh and problem_en.
    """
    ours, every = (
        pd.MultiIndex.from_frame(frame[["file", "sheet"]].astype("str").fillna(""))
        for frame in (parts, files)
    )
    shown = every.isin(ours) | files["problem"].notna() | (files["rows_aside"] > 0)
    shown = files[shown].reset_index(drop=True)
    entries = {export.id: export for system in systems for export in system.exports}
    entries |= reference.tables()
    for lang in ("zh", "en"):
        names = {name: text.label(entry, lang) for name, entry in entries.items()}
        shown[f"export_{lang}"] = shown["export"].map(names)
        shown[f"problem_{lang}"] = [said(problem, lang) or None for problem in shown["problem"]]
    return shown


def worst(lights: pd.Series) -> str:
    """The worst of several lights; grey only where nothing could be checked."""
    return next((light for light in LIGHTS if (lights == light).any()), "grey")


def money_light(checked: pd.DataFrame) -> str:
    """The worst light of what was checked, green only where an amount of the session was.

    `checked` has light and metric: the rows of `reconcile.checks` and of `invariants.of_session`.
    """
    light = worst(checked["light"])
    compared = _of_money(checked) & (checked["light"] != "grey")
    return "grey" if light == "green" and not compared.any() else light


def _of_money(checked: pd.DataFrame) -> pd.Series:
    columns = reference.tables()["sessions"].columns
    amounts = [name for name, column in columns.items() if column.kind == "money"]
    return checked["metric"].isin(amounts)


def quality(
    files: pd.DataFrame,
    checked: pd.DataFrame,
    attributed: pd.DataFrame,
    present: dict[str, bool],
    *,
    asked: int = 0,
) -> pd.DataFrame:
    """The data quality of a review in one row.

    Columns: light, counts of files and rows, missing tables, and a sentence in zh and en. `files`
    and `attributed` are ledgers, `checked` is that of `money_light`; `present` says of each
    canonical table whether this session has rows of it; `asked` is the number of open questions.
    The sentence names what differs and which amounts could not be compared.
    """
    rows = {name: int(files[name].sum()) for name in COUNTS}
    unread = [*_unread(files)["file"].map(text.plain).unique()]
    light = money_light(checked)
    off = checked[~checked["light"].isin(["green", "grey"])]
    alone = checked[_of_money(checked) & (checked["light"] == "grey")]
    lacking = [name for name, there in present.items() if not there]
    names = {
        lang: text.choose(lang, "、", ", ").join(
            text.label(reference.tables()[name], lang) for name in lacking
        )
        for lang in ("zh", "en")
    }
    by_table = attributed.set_index("table") if len(attributed) else attributed
    share = by_table.get("share", pd.Series(dtype="float64"))
    lights = reference.terms()["light"]
    differ, blank = (
        {lang: _some([*rows[f"label_{lang}"].unique()], lang) for lang in ("zh", "en")}
        for rows in (off, alone)
    )
    left = [
        (
            reference.tables()[name],
            text.percent(1 - share[name]),
            _mostly(by_table.loc[name]),
        )
        for name in ("orders", "aftersales")
        if share.get(name, 1.0) < 1
    ]
    zh = (
        f"读入 {files['file'].nunique()} 个文件 {rows['rows_in']:,} 行：保留 "
        f"{rows['rows_kept']:,} 行，合计与说明行 {rows['rows_totals']:,} 行，"
        f"搁置 {rows['rows_aside']:,} 行；"
        + (f"{not_understood(asked, 'zh')}；" if asked else "")
        + f"金额核对：{lights[light].zh}"
        + (f"（{differ['zh']}）" if len(off) else "")
        + (f"；没法核对：{blank['zh']}。" if len(alone) else "。")
        + (f"未能读入：{_some(unread, 'zh')}。" if unread else "没有读不了的文件。")
        + "".join(
            f"{table.zh}有 {part} 不归任何一场，主要是{why.zh}。" for table, part, why in left
        )
        + (f"缺少：{names['zh']}。" if lacking else "")
    )
    en = (
        f"{files['file'].nunique()} files with {rows['rows_in']:,} rows were read: "
        f"{rows['rows_kept']:,} kept, {rows['rows_totals']:,} totals and notes, "
        f"{rows['rows_aside']:,} kept aside; "
        + (f"{not_understood(asked, 'en')}; " if asked else "")
        + f"money: {lights[light].en.lower()}"
        + (f" ({differ['en']})" if len(off) else "")
        + (f"; not compared: {blank['en']}." if len(alone) else ".")
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
                "questions": asked,
                **rows,
                "missing": ",".join(lacking),
                "orders_attributed": share.get("orders", float("nan")),
                "sentence_zh": zh,
                "sentence_en": en,
            }
        ]
    )


def not_understood(asked: int, lang: str) -> str:
    """How many questions are open, to stand beside a verdict that would sound whole without."""
    were = "thing was" if asked == 1 else "things were"
    return text.choose(lang, f"有 {asked:,} 处没看懂", f"{asked:,} {were} not understood")


def verdict_words(verdict: pd.Series, lang: str) -> str:
    """Whether the session's data can be used, in a sentence of the row of `quality`."""
    money = {
        "green": ("可以用：钱和单对得上。", "The data can be used: money and orders reconcile."),
        "amber": (
            "可以用，但钱、单、编号或日期有差异：引用前先看下表写明的是哪一项。",
            "The data can be used, but money, orders, ids or dates differ: see below in which "
            "check before quoting them.",
        ),
        "red": (
            "先核对再用：钱或单对不上，下表写明是哪一项。",
            "Check before using them: money or orders do not reconcile; the table says where.",
        ),
        "grey": (
            "没有两份数据可以互相核对：金额只有一个出处，用时说明。",
            "Nothing could be held against anything: the amounts have one source only; say so "
            "when using them.",
        ),
    }[verdict["light"]]
    unread, aside = int(verdict["unread"]), int(verdict["rows_aside"])
    asked = int(verdict["questions"])
    words = text.choose(lang, *money)
    if unread:
        words += text.choose(
            lang, f"有 {unread} 个文件没有读成。", f" {unread} files could not be read."
        )
    if asked:
        words += text.choose(
            lang,
            f"全账号{not_understood(asked, 'zh')}，下面逐条列出怎么办。",
            f" In the account's files {not_understood(asked, 'en')}; each is listed with what to "
            "do.",
        )
    if aside:
        words += text.choose(
            lang,
            f"全账号有 {aside:,} 行搁置，改好后再运行就会读入。",
            f" {aside:,} rows of the account are kept aside; mended, the next run reads them.",
        )
    return words


def overview(
    verdict: pd.Series,
    files: pd.DataFrame,
    aside: pd.DataFrame,
    checked: pd.DataFrame,
    flags: pd.DataFrame,
    *,
    partly: Mapping[str, Iterable[str]],
) -> pd.DataFrame:
    """What a reader asks of the data, answered: one row per question.

    Columns: asked, answer and because, each with _zh and _en. `verdict` is the row of `quality`;
    `files` and `aside` are the account's, `checked` and `flags` the session's; `partly` says by
    language what is lacking though its table is there.
    """
    columns = {}
    for lang in ("zh", "en"):
        rows = [
            _files_read(verdict, files, lang),
            _rows_aside(verdict, aside, lang),
            _money_agrees(checked, lang),
            _cannot_be(flags, lang),
            _lacking(verdict, partly[lang], lang),
        ]
        for name, values in zip(
            ("asked", "answer", "because"), zip(*rows, strict=True), strict=True
        ):
            columns[f"{name}_{lang}"] = list(values)
    return pd.DataFrame(columns)


def _unread(files: pd.DataFrame) -> pd.DataFrame:
    return files[files["table"].isna() & files["problem"].notna()]


def _reasons(reasons: pd.Series, lang: str) -> str:
    terms = reference.terms()["reason"]
    return text.choose(lang, "；", "; ").join(
        f"{text.label(terms[reason], lang) if reason in terms else text.plain(reason)} {count:,}"
        for reason, count in reasons.value_counts().items()
    )


def _files_read(verdict: pd.Series, files: pd.DataFrame, lang: str) -> tuple[str, str, str]:
    bad = _unread(files).drop_duplicates("file")
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
    return (
        text.choose(lang, "有没有行没算进去，为什么？", "Were rows left out, and why?"),
        text.choose(lang, f"{len(aside):,} 行搁置", f"{len(aside):,} kept aside")
        if len(aside)
        else text.choose(lang, "没有", "none"),
        _reasons(aside["reason"], lang)
        or text.choose(
            lang,
            f"{verdict['rows_kept']:,} 行全部可用",
            f"all {verdict['rows_kept']:,} rows are usable",
        ),
    )


def _money_agrees(checked: pd.DataFrame, lang: str) -> tuple[str, str, str]:
    compared = checked[checked["light"] != "grey"]
    off = compared.loc[compared["light"] != "green", f"label_{lang}"]
    agree, blank = len(compared) - len(off), len(checked) - len(compared)
    return (
        text.choose(lang, "钱和单对得上吗？", "Do money and orders reconcile?"),
        text.label(reference.terms()["light"][money_light(checked)], lang),
        text.choose(
            lang,
            f"{len(compared)} 项核对里 {agree} 项一致",
            f"{agree} of {len(compared)} checks agree",
        )
        + (text.choose(lang, "；不一致：", "; not: ") if len(off) else "")
        + _some([*off.unique()], lang)
        + (text.choose(lang, f"；{blank} 项没法核对", f"; not compared: {blank}") if blank else ""),
    )


def _cannot_be(flags: pd.DataFrame, lang: str) -> tuple[str, str, str | None]:
    return (
        text.choose(lang, "有没有不可能的数值？", "Are there values that cannot be?"),
        text.choose(lang, f"{len(flags):,} 处", f"{len(flags):,}")
        if len(flags)
        else text.choose(lang, "没有", "none"),
        _reasons(flags["reason"], lang) or None,
    )


def not_stated(
    checks: pd.DataFrame, session: pd.Series, tables: Mapping[str, pd.DataFrame]
) -> list[tuple[str, str]]:
    """Columns (with their table) without which an amount of `reconcile.checks` has no counterpart.

    Of tables of which the session has rows; those that it lacks are named as a whole.
    """
    places = []
    for check in checks.loc[_of_money(checks) & (checks["light"] == "grey"), "check"]:
        table, column = check.split(".")
        if pd.isna(session[column]):
            places.append(("sessions", column))
        elif table in tables and len(tables[table]):
            places.append((table, column if column in tables[table] else "paid"))
    return list(dict.fromkeys(places))


def _lacking(verdict: pd.Series, partly: Iterable[str], lang: str) -> tuple[str, str, str | None]:
    names = filter(None, verdict["missing"].split(","))
    lacking = [text.label(reference.tables()[name], lang) for name in names]
    in_part = [words.rstrip("。.") for words in partly]
    return (
        text.choose(lang, "这一场缺哪些数据？", "Which data does this session lack?"),
        text.choose(lang, f"缺 {len(lacking)} 种", f"{len(lacking)} kinds")
        if lacking
        else text.choose(lang, "表都有，表里缺几栏", "no table, some columns")
        if in_part
        else text.choose(lang, "不缺", "none"),
        text.choose(lang, "；", "; ").join(
            filter(None, [text.choose(lang, "、", ", ").join(lacking), *in_part])
        )
        or None,
    )


def ads_left_out(ads: pd.DataFrame, lang: str) -> list[str]:
    """Why a session's ad spend is not counted, if no export covers its start; else nothing."""
    if ads.empty or len(finest_slots(ads)):
        return []
    first, last = ads["covers_from"].min(), ads["covers_to"].max() + pd.Timedelta(hours=1)
    zh = (
        f"本场的投放消耗不计入：投放导出只含 {first:%Y-%m-%d %H:%M} 到 {last:%Y-%m-%d %H:%M} "
        "的消耗（时段见文件名），本场不在这段时间开播，里面只有它的零头。"
    )
    en = (
        "This session's ad spend is not counted: the ads export holds spend from "
        f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} only (as its file name says), and "
        "the session began outside that time: a remnant of its spend is all there is."
    )
    return [text.choose(lang, zh, en)]


def _mostly(attributed: pd.Series) -> reference.Label:
    return reference.terms()["column"][max(attribution.UNATTRIBUTED, key=attributed.get)]


def _some(names: list[str], lang: str) -> str:
    more = ""
    if len(names) > MOST_NAMED:
        more = text.choose(lang, f" 等 {len(names)} 个", f" and {len(names) - MOST_NAMED} more")
    return text.choose(lang, "、", ", ").join(names[:MOST_NAMED]) + more
