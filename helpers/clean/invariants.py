"""What must hold in stated figures: a file against itself, and tables against each other."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers import reference
from helpers.clean.assemble import Context
from helpers.clean.cells import same_digits
from helpers.clean.history import TRACE
from helpers.clean.keys import KeptRows
from helpers.core import text
from helpers.reference import Invariant

CHECKED = {
    **dict.fromkeys(("file", "sheet", "table", "session_id", "invariant"), "str"),
    **dict.fromkeys(("state", "why", "metric", "column", "example_zh", "example_en"), "str"),
    **dict.fromkeys(("compared", "differ", "largest", "relative", "row"), "float64"),
}
TOTALS = ["file", "sheet", "table", "row", "label", "column", "header", "stated", "summed", "rows"]
_Words = Callable[[object, str, str], tuple[str, str]]
_CENT, _HOUR, _DAY = 0.005, pd.Timedelta(hours=1), pd.Timedelta(days=1)
_MOST_TOTALS = 12  # of one table: with more each is held against the rows next to it alone


class Compared(NamedTuple):
    """What was compared: how many values, and those that differ.

    `off` has row, field, stated, counted and what its words need; `stated` is the sum of all that
    was stated by field, none where a difference is no share of it (ids, times).
    """

    off: pd.DataFrame
    count: Mapping[str, int]
    stated: Mapping[str, float] | None
    every: pd.DataFrame | None = None


def of_file(finished: Iterable[KeptRows], context: Context) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The invariants of each table of a file, and what its total rows state.

    The first has one row per table and invariant (`CHECKED`): state is agrees, differs or
    not_compared (`why`); compared and differ are counts of values, largest the greatest difference
    (days for times), relative all differences as a share of what is stated; row, column and the
    examples name the first that differs; metric is the amount of a session that was compared.
    `TOTALS` has one row per total row and column with what the rows beside it sum to.
    """
    checked, totals = [], []
    for done in finished:
        part, table = done.part, done.part.export.table
        where = {"file": context.file, "sheet": part.sheet, "table": table}
        frame = done.tables.get(table, pd.DataFrame())
        for name, rule in reference.invariants().items():
            if table not in rule.columns or rule.kind not in _OF_FILE:
                continue
            check, words = _OF_FILE[rule.kind]
            compared = check(rule, done, frame)
            if isinstance(compared, str):
                checked.append({**where, "invariant": name, **_not_compared(compared)})
                continue
            checked.append({**where, "invariant": name, **_held(compared, table)})
            if len(compared.off):
                first = compared.off.iloc[0]
                records = int((done.aside["reason"] != "total_off").sum())
                example = _example(first, table, words, records)
                header = first.get("header") or done.part.header_of(first["field"])
                checked[-1] |= {**example, "column": header}
            if rule.kind == "total":
                totals.append(compared.every.assign(**where)[TOTALS])
    none = pd.DataFrame(columns=TOTALS)
    return _frame(checked), pd.concat(totals, ignore_index=True) if totals else none


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(CHECKED)).astype(CHECKED)


def _not_compared(why: str) -> dict[str, object]:
    return {"state": "not_compared", "why": why, "compared": 0, "differ": 0}


def _held(compared: Compared, table: str) -> dict[str, object]:
    """State and counts of what was compared; the amount of a session among it, if there is one."""
    off = compared.off
    apart = (off["counted"] - off["stated"]).abs()
    shares = []
    for field, differences in apart.groupby(off["field"]):
        whole = compared.count[field] if compared.stated is None else compared.stated[field]
        part = len(differences) if compared.stated is None else differences.sum()
        shares.append(part / whole if whole else 1.0)
    sessions = reference.tables()["sessions"].columns
    amounts = [
        field
        for field in compared.count
        if compared.stated is not None
        and field in sessions
        and sessions[field].line in ("created", "paid", "net")
        and table != "orders"
    ]
    return {
        "state": "differs" if len(off) else "agrees",
        "metric": amounts[0] if amounts else None,
        "compared": sum(compared.count.values()),
        "differ": len(off),
        "largest": apart.max() if len(off) else 0.0,
        "relative": max(shares, default=0.0),
    }


def _example(first: pd.Series, table: str, words: _Words, aside: int = 0) -> dict[str, object]:
    """Where the first value that differs stands, in words of both languages."""
    column = reference.tables()[table].columns[first["field"]]
    zh, en = words(first, column.zh, column.en)
    return {
        "row": first["row"],
        "column": first["field"],
        "example_zh": f"第 {first['row']:.0f} 行：{zh}"
        + (f"；另有 {aside} 行搁置" if aside else ""),
        "example_en": f"row {first['row']:.0f}: {en}"
        + (f"; rows kept aside: {aside}" if aside else ""),
    }


# ---- one file against itself


def _total(rule: Invariant, done: KeptRows, frame: pd.DataFrame) -> Compared | str:
    """Each total row against those rows that it sums: all, or a run of them beside it."""
    stated = done.part.totals
    if stated.empty:
        return "no_total"
    if frame.empty:
        return "no_rows"
    body = frame[frame["sku_id"].isna()] if "sku_id" in frame else frame
    scopes_of = _scopes(body, sorted(stated["row"].unique()), rule.group)
    pairs = []
    for row, values in stated.groupby("row", sort=False):
        sums = [body.loc[scope, values["column"]].sum(min_count=1) for scope in scopes_of[row]]
        tried = []
        for scope, summed in zip(scopes_of[row], sums, strict=True):
            counted = summed.fillna(0).to_numpy()
            apart = np.abs(counted - values["stated"].to_numpy())
            off = apart > values["slack"].to_numpy() + 1e-6
            share = apart / np.maximum(np.abs(values["stated"].to_numpy()), 1)
            tried.append((off.sum(), share.sum(), counted, off, int(scope.sum())))
        _, _, counted, off, rows = min(tried, key=lambda entry: entry[:2])
        pairs.append(values.assign(counted=counted, off=off, rows=rows))
    every = pd.concat(pairs, ignore_index=True).assign(field=lambda pair: pair["column"])
    blank = [name for name in every["field"].unique() if body[name].isna().all()]
    every = every[~every["field"].isin(blank)].reset_index(drop=True)
    if every.empty:
        return "no_column"
    return _of_pairs(every, every=every.assign(summed=every["counted"]))


def _scopes(body: pd.DataFrame, totals: list[int], group: str | None) -> dict[int, list[pd.Series]]:
    """By total row the sets of rows that it may sum, the likelier ones first."""
    at = body["source_row"]
    whole = pd.Series(True, index=body.index)
    groups = []
    if group in body and body[group].notna().any():
        groups = [body[group].eq(value).fillna(False) for value in body[group].dropna().unique()]
    scopes = {}
    for place, row in enumerate(totals):
        ends = [*totals[place + 1 :], np.inf]
        begins = [*reversed(totals[:place]), -np.inf]
        if len(totals) > _MOST_TOTALS:
            ends, begins = ends[:1], begins[:1]
        runs = [(at > row) & (at < end) for end in ends] + [
            (at < row) & (at > begin) for begin in begins
        ]
        scopes[row] = [whole, *(run for run in runs if run.any()), *groups]
    return scopes


def _of_pairs(pairs: pd.DataFrame, every: pd.DataFrame | None = None) -> Compared:
    """Pairs as what was compared."""
    by_field = pairs["stated"].abs().groupby(pairs["field"], sort=False)
    count = by_field.size().to_dict()
    return Compared(pairs[pairs["off"]], count, by_field.sum().to_dict(), every)


def _total_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    label = text.plain(pair.label, 30)
    return (
        f"合计行「{label}」的{zh}写明 {_number(pair.stated)}，{pair.rows} 行相加 "
        f"{_number(pair.counted)}",
        f"the total row “{label}” states {_number(pair.stated)} as {en}, its {pair.rows} rows add "
        f"to {_number(pair.counted)}",
    )


def _sub_rows(rule: Invariant, done: KeptRows, frame: pd.DataFrame) -> Compared | str:
    """Each product that has SKU rows in this file against the sum of these."""
    if frame.empty or frame["sku_id"].isna().all():
        return "no_sub_rows"
    key = ["session_id", "product_id"]
    columns = list(rule.columns["products"])
    grouped = frame[frame["sku_id"].notna()].groupby(key, dropna=False)[columns]
    sums, counts = grouped.sum(min_count=1), grouped.size()
    whole = frame[frame["sku_id"].isna()].set_index(key)
    whole = whole[whole.index.isin(sums.index)]
    values = counts.reindex(whole.index) + 1
    slack = pd.DataFrame({field: _slack(field, "products", values) for field in columns})
    every = _pairs(
        np.repeat(columns, len(whole)),
        np.tile(whole["source_row"], len(columns)),
        *(side[columns].to_numpy(float).ravel("F") for side in (whole, sums.reindex(whole.index))),
        slack.to_numpy().ravel("F"),
    )
    return _of_pairs(every) if len(every) else "no_column"


def _sub_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    return (
        f"商品的{zh} {_number(pair.stated)}，其 SKU 相加 {_number(pair.counted)}",
        f"{en} of the product is {_number(pair.stated)}, its SKUs add to {_number(pair.counted)}",
    )


def _slack(field: str, table: str, values: pd.Series | int) -> pd.Series | float:
    """Half a cent for each amount that was rounded, nothing for counts."""
    kind = reference.tables()[table].columns[field].kind
    return values * (_CENT if kind in ("money", "score") else 0.0)


def _pairs(
    field: ArrayLike, row: ArrayLike, stated: ArrayLike, counted: ArrayLike, slack: ArrayLike
) -> pd.DataFrame:
    """Pairs of which both sides are there; they differ by more than the slack."""
    frame = pd.DataFrame(
        {
            "row": np.asarray(row),
            "field": field,
            "stated": np.asarray(stated, dtype=float),
            "counted": np.asarray(counted, dtype=float),
        }
    )
    apart = (frame["stated"] - frame["counted"]).abs()
    frame["off"] = apart > np.asarray(slack) + 1e-6 + 1e-9 * frame["stated"].abs()
    return frame.dropna(subset=["stated", "counted"])


def _difference(rule: Invariant, done: KeptRows, frame: pd.DataFrame) -> Compared | str:
    """The first column against the second less the third, in each row that has all three."""
    names = rule.columns[done.part.export.table]
    if frame.empty or frame[names].isna().any(axis=1).all():
        return "no_column"
    result, whole, less = names
    rows = frame.dropna(subset=names)
    # where no amount of a row has cents all three may have been rounded
    plain = (rows[names] % 1 == 0).all(axis=1)
    slack = plain.map({True: 1.5, False: 3 * _CENT})
    off = rows[less]
    minus = rule.either_sign and (off < 0).sum() > (off > 0).sum()
    counted = rows[whole] + off if minus else rows[whole] - off
    pairs = _pairs(result, rows["source_row"], rows[result], counted, slack)
    columns = reference.tables()[done.part.export.table].columns
    others = [columns[name] for name in (whole, less)]
    return _of_pairs(pairs.assign(zh="减".join(other.zh for other in others), en=_less(others)))


def _less(columns: list[reference.Column]) -> str:
    return " less ".join(column.en.lower() for column in columns)


def _difference_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    return (
        f"{zh} {_number(pair.stated)}，{pair.zh}是 {_number(pair.counted)}",
        f"{en} is {_number(pair.stated)}, {pair.en} is {_number(pair.counted)}",
    )


def _id_length(rule: Invariant, done: KeptRows, frame: pd.DataFrame) -> Compared | str:
    """The few ids whose length is not that of nearly all ids of their column."""
    off, count, several = [], {}, False
    for field in rule.columns[done.part.export.table]:
        ids = frame[field].dropna() if field in frame else pd.Series(dtype="str")
        if ids.empty:
            continue
        if same_digits(ids):
            count[field] = len(ids)
            continue
        lengths = ids.str.len().where(ids.str.isdigit(), 0)
        usual = lengths.mode().iloc[0]
        few = lengths != usual
        if usual == 0 or few.mean() > 1 - rule.share:
            several = True
            continue
        count[field] = len(ids)
        off.append(
            pd.DataFrame(
                {
                    "row": frame.loc[ids.index[few], "source_row"],
                    "field": field,
                    "stated": float(usual),
                    "counted": ids[few].str.len().astype("float64"),
                    "id": ids[few],
                }
            )
        )
    if not count:
        return "several_lengths" if several else "no_column"
    none = pd.DataFrame({"row": [], "field": [], "stated": [], "counted": [], "id": []})
    return Compared(pd.concat(off, ignore_index=True) if off else none, count, None)


def _id_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    shown = _masked(pair.id)
    return (
        f"{zh} {shown} 有 {pair.counted:.0f} 个字符，其余是 {pair.stated:.0f} 位数字",
        f"{en} {shown} has {pair.counted:.0f} characters, the others have {pair.stated:.0f} digits",
    )


def _after_export(rule: Invariant, done: KeptRows, frame: pd.DataFrame) -> Compared | str:
    """Times of a file against its export; a date alone stands for its whole day."""
    exported = done.part.exported
    if pd.isna(exported):
        return "no_export_time"
    limit = exported + (_DAY if exported == exported.normalize() else _HOUR)
    shown = _moment(exported)
    return _times(
        rule,
        done,
        frame,
        None,
        limit,
        f"晚于文件的导出时间 {shown}",
        f"is after the export of the file, {shown}",
    )


def _in_period(rule: Invariant, done: KeptRows, frame: pd.DataFrame) -> Compared | str:
    """Times of a file against the period that it states."""
    begin, end = done.part.period
    if pd.isna(begin) or pd.isna(end) or end <= begin:
        return "no_period"
    span = f"{begin:%Y-%m-%d} ~ {end - _DAY:%Y-%m-%d}"
    return _times(
        rule,
        done,
        frame,
        begin,
        end,
        f"不在文件写明的周期 {span} 内",
        f"is outside the period of the file, {span}",
    )


def _times(
    rule: Invariant,
    done: KeptRows,
    frame: pd.DataFrame,
    first: pd.Timestamp | None,
    end: pd.Timestamp,
    zh: str,
    en: str,
) -> Compared | str:
    """Times against the span in which they must lie, in days beyond it."""
    off, count = [], {}
    for field in rule.columns[done.part.export.table]:
        at = frame[field].dropna() if field in frame else pd.Series(dtype="float64")
        if at.empty:
            continue
        count[field] = len(at)
        outside = (at >= end) if first is None else (at >= end) | (at < first)
        late = at[outside]
        days = ((late - end) / _DAY).clip(lower=0)
        days = days if first is None else days + ((first - late) / _DAY).clip(lower=0)
        off.append(
            pd.DataFrame(
                {
                    "row": frame.loc[late.index, "source_row"],
                    "field": field,
                    "stated": 0.0,
                    "counted": days,
                    "at": late,
                    "zh": zh,
                    "en": en,
                }
            )
        )
    if not count:
        return "no_column"
    return Compared(pd.concat(off, ignore_index=True), count, None)


def _time_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    return f"{zh} {_moment(pair['at'])} {pair.zh}", f"{en} {_moment(pair['at'])} {pair.en}"


_OF_FILE: dict[
    str, tuple[Callable[[Invariant, KeptRows, pd.DataFrame], Compared | str], _Words]
] = {
    "total": (_total, _total_words),
    "sub_rows": (_sub_rows, _sub_words),
    "difference": (_difference, _difference_words),
    "id_length": (_id_length, _id_words),
    "after_export": (_after_export, _time_words),
    "in_period": (_in_period, _time_words),
}


# ---- tables against each other


def across(tables: Mapping[str, pd.DataFrame], whole: pd.DataFrame) -> pd.DataFrame:
    """The invariants between the tables of a workspace, in the columns of `of_file`.

    `whole` are orders whose lines other exports state (`whole_orders`), no rows of the tables.
    One row per session (refunds, orders) or file (days, periods of the account) and invariant; one
    without either where nothing could be compared.
    """
    checked = []
    for name, rule in reference.invariants().items():
        if rule.kind not in _ACROSS:
            continue
        check, words = _ACROSS[rule.kind]
        for table in rule.columns:
            entry = {"table": table, "invariant": name}
            pairs = _NO_PAIRS
            if len(tables[table]):
                pairs = check(rule, table, {**tables, "whole orders": whole})
            if pairs.empty:
                checked.append({**entry, **_not_compared("no_other")})
                continue
            for place, group in pairs.groupby(_PLACE, dropna=False, sort=False):
                where = dict(zip(_PLACE, place, strict=True))
                if not group["off"].any():
                    amounts = {"largest": 0.0, "relative": 0.0, "differ": 0}
                    held = {"state": "agrees", "compared": len(group), **amounts}
                else:
                    held = _held(_of_pairs(group), table)
                    first = group[group["off"]].iloc[0]
                    where |= {"file": first["source_file"], "sheet": first["source_sheet"]}
                    held |= _example(first, table, words)
                checked.append({**entry, **where, **held})
    return _frame(checked)


_PLACE = ["session_id", "file", "sheet"]


def _refunds(
    rule: Invariant, table: str, tables: Mapping[str, pd.DataFrame], level: str
) -> pd.DataFrame:
    """What was paid back for each line or order against what was paid for it."""
    (column,) = rule.columns[table]
    back = tables[table]
    given_back = back[column].gt(0) & back[level].notna()
    if table == "aftersales":
        given_back &= back["status"].eq("succeeded")
    if not given_back.any() or tables["orders"].empty:
        return _NO_PAIRS
    back = back[given_back]
    key = ["platform", level]
    lines = tables["orders"][["platform", "order_id", "line_id", "paid", "session_id"]]
    lines = lines[lines[level].isin(back[level]) & lines["paid"].notna()]
    if lines.empty:
        return _NO_PAIRS
    paid = lines.groupby(key, sort=False).agg(stated=("paid", "sum"), session_id=_FIRST_SESSION)
    trace = {name: (name, "first") for name in TRACE}
    given = back.groupby(key, sort=False).agg(counted=(column, "sum"), **trace)
    pairs = given.join(paid, how="inner").reset_index().rename(columns={level: "id"})
    pairs["off"] = pairs["counted"] > pairs["stated"] + 2 * _CENT + 1e-9
    return pairs.assign(field=column, row=pairs["source_row"], file=None, sheet=None)


def _by_line(rule: Invariant, table: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return _refunds(rule, table, tables, "line_id")


def _by_order(rule: Invariant, table: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    return _refunds(rule, table, tables, "order_id")


def _refund_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    back, paid = _number(pair.counted), _number(pair.stated)
    return (
        f"订单 {_masked(pair.id)} 共退 {back}，只付过 {paid}",
        f"order {_masked(pair.id)} was refunded {back} in all, only {paid} was paid",
    )


def _order_lines(rule: Invariant, table: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Orders of exports with a row per order against the lines that other exports give of them."""
    (column,) = rule.columns[table]
    whole, key = tables["whole orders"], ["platform", "order_id"]
    of_whole = tables[table]["order_id"].isin(whole["order_id"])
    if not of_whole.any():
        return _NO_PAIRS
    lines = tables[table][of_whole]
    by_order = lines.groupby(key, sort=False)
    sums = by_order.agg(lines=("line_id", "size"), session_id=_FIRST_SESSION)
    sums["counted"] = by_order[column].sum(min_count=1)
    whole = whole.drop_duplicates(key, keep="last").drop(columns="session_id")
    pairs = whole.join(sums, on=key, how="inner").dropna(subset=[column, "counted"])
    pairs = pairs.assign(stated=pairs[column], id=pairs["order_id"], field=column)
    slack = (pairs["lines"] + 1) * _CENT + 1e-9
    off = (pairs["counted"] - pairs["stated"]).abs() > slack
    return pairs.assign(off=off, row=pairs["source_row"], file=None, sheet=None)


def _order_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    whole, lines = _number(pair.stated), _number(pair.counted)
    return (
        f"订单 {_masked(pair.id)} 的实付写明 {whole}，它的 {pair.lines} 个子订单相加 {lines}",
        f"order {_masked(pair.id)} states {whole} as paid, its {pair.lines} lines add to {lines}",
    )


def _days(rule: Invariant, table: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Each day of the account against the sessions that began on it, inside their span."""
    days, sessions = tables[table], tables["sessions"]
    pairs = []
    for at, day in enumerate(days.itertuples()):
        ours = sessions[sessions["platform"].eq(day.platform)]
        if isinstance(day.room_name, str):
            ours = ours[ours["room_name"].eq(day.room_name)]
        began = ours["started_at"].dt.normalize()
        date = day.day.normalize()
        if ours.empty or not began.min() <= date <= began.max():
            continue
        ours = ours[began == date]
        for field in rule.columns[table]:
            counted = len(ours) if field == "session_count" else ours[field].sum(skipna=False)
            pairs.append((at, field, getattr(day, field), float(counted), f"{date:%Y-%m-%d}"))
    frame = pd.DataFrame(pairs, columns=["at", "field", "stated", "counted", "id"])
    frame = frame.dropna(subset=["stated", "counted"])
    trace = days.iloc[frame["at"]][list(TRACE)].reset_index(drop=True)
    frame = pd.concat([frame.reset_index(drop=True), trace], axis=1)
    off = (frame["stated"] - frame["counted"]).abs() > 0.5
    return _of_account(frame.assign(off=off, row=frame["source_row"]))


def _day_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    return (
        f"{pair.id} 的{zh}写明 {_number(pair.stated)}，当天各场相加 {_number(pair.counted)}",
        f"{en} of {pair.id}: stated {_number(pair.stated)}, its sessions add to "
        f"{_number(pair.counted)}",
    )


def _periods(rule: Invariant, table: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What products sold in LIVE in a period against the sessions that began in it."""
    (column,) = rule.columns[table]
    periods, sessions = tables[table], tables["sessions"]
    key = ["platform", "period_from", "period_to", "source_file", "source_sheet"]
    pairs = []
    for place, group in periods.groupby(key, dropna=False):
        platform, begin, end, file, sheet = place
        if pd.isna(begin) or pd.isna(end) or group[column].isna().all():
            continue
        until = end + _DAY if end == end.normalize() else end
        began = sessions["started_at"]
        ours = sessions[sessions["platform"].eq(platform) & (began >= begin) & (began < until)]
        if ours["paid_amount"].notna().any():
            span = f"{begin:%Y-%m-%d} ~ {end:%Y-%m-%d}"
            sums = (group[column].sum(), ours["paid_amount"].sum())
            pairs.append((file, sheet, group["source_row"].iloc[0], column, *sums, span))
    names = ["source_file", "source_sheet", "row", "field", "stated", "counted", "id"]
    frame = pd.DataFrame(pairs, columns=names)
    # the product list may be cut by a page or a filter, its amounts are rounded
    return _of_account(frame.assign(off=frame["counted"] > frame["stated"] * 1.01 + 1))


def _period_words(pair: pd.Series, zh: str, en: str) -> tuple[str, str]:
    return (
        f"{pair.id} 各商品的{zh}相加 {_number(pair.stated)}，同期各场支付 {_number(pair.counted)}",
        f"{en} of all products in {pair.id} is {_number(pair.stated)}, the sessions of that time "
        f"sold {_number(pair.counted)}",
    )


def _of_account(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.assign(session_id=None, file=pairs["source_file"], sheet=pairs["source_sheet"])


_FIRST_SESSION = ("session_id", "first")
_NO_PAIRS = pd.DataFrame({"off": pd.Series(dtype=bool)})
_ACROSS: dict[
    str, tuple[Callable[[Invariant, str, Mapping[str, pd.DataFrame]], pd.DataFrame], _Words]
] = {
    "order_lines": (_order_lines, _order_words),
    "refund_line": (_by_line, _refund_words),
    "refund_order": (_by_order, _refund_words),
    "days": (_days, _day_words),
    "periods": (_periods, _period_words),
}


# ---- what a reader sees


def of_session(
    checked: pd.DataFrame, session_id: str, parts: pd.DataFrame, thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """What was checked of a session: its own rows, those of its files and of the account.

    Added are light (amber and red by the share that differs, as in `reconcile`) and the names of
    table and invariant; a file's rows count for all sessions that it holds. `parts` are the
    session's `data_quality.contributions`.
    """
    files, every = (
        pd.MultiIndex.from_frame(frame[["file", "sheet"]].astype("str").fillna(""))
        for frame in (parts, checked)
    )
    alone = checked["session_id"].isna()
    mine = (checked["session_id"] == session_id) | (alone & (every.isin(files)))
    mine |= alone & checked["file"].isna()
    order = {"differs": 0, "agrees": 1, "not_compared": 2}
    shown = checked[mine].sort_values("state", key=lambda state: state.map(order), kind="stable")
    shown = shown.reset_index(drop=True)
    light = shown["state"].map({"agrees": "green", "not_compared": "grey", "differs": "amber"})
    worse = shown["relative"] > thresholds["reconcile_amber"]
    shown["light"] = light.mask((light == "amber") & worse, "red")
    names, why = reference.invariants(), reference.terms()["not_compared"]
    tables, states = reference.tables(), reference.terms()["invariant_state"]
    for lang in ("zh", "en"):
        shown[f"part_{lang}"] = [text.label(tables[name], lang) for name in shown["table"]]
        shown[f"result_{lang}"] = [text.label(states[code], lang) for code in shown["state"]]
        shown[f"label_{lang}"] = [text.label(names[name], lang) for name in shown["invariant"]]
        words = [text.label(why[code], lang) if code in why else None for code in shown["why"]]
        reasons = pd.Series(words, index=shown.index, dtype="str")
        shown[f"because_{lang}"] = shown[f"example_{lang}"].fillna(reasons)
    return shown


def _masked(name: str) -> str:
    return f"{name[:3]}…{name[-2:]}"


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _moment(at: pd.Timestamp) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
