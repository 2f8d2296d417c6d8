"""Does the money add up: the parts of a session against its total, orders against the platform, rates against counts."""

from __future__ import annotations

import pandas as pd

from helpers import reference, text

PARTS = {"products": ("orders", "units", "paid_amount"), "traffic": ("orders", "paid_amount"), "minutes": ("orders", "paid_amount")}
LIGHTS = ("red", "amber", "green", "grey")


def contributions(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Which file gave how much to this session: one row per canonical table x file, with table, file, sheet and rows."""
    parts = [
        frame.groupby(["source_file", "source_sheet"], dropna=False, as_index=False).size().assign(table=name)
        for name, frame in tables.items() if len(frame) and "source_file" in frame
    ]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["table", "source_file", "source_sheet", "size"])
    return found.rename(columns={"source_file": "file", "source_sheet": "sheet", "size": "rows"})[["table", "file", "sheet", "rows"]]


def files_to_show(files: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """The ledger's rows that a reader of one session needs: sheets that gave it rows, and all that had a problem or rows aside."""
    ours = pd.MultiIndex.from_frame(parts[["file", "sheet"]].astype("str").fillna(""))
    every = pd.MultiIndex.from_frame(files[["file", "sheet"]].astype("str").fillna(""))
    return files[every.isin(ours) | files["problem"].notna() | (files["rows_aside"] > 0)].reset_index(drop=True)


def checks(
    session: pd.Series, tables: dict[str, pd.DataFrame], *, thresholds: dict[str, float],
) -> pd.DataFrame:
    """Each part table of a session summed and held against the session's own total.

    One row per check: check (table.column), metric, label_zh, label_en, total (the session row), parts (the sum), difference
    (parts − total), relative (of the total), light (green within reconcile_green, amber within reconcile_amber, else
    red; grey where a side is missing) and, where a known definition explains a difference, note_zh and note_en.
    `tables` maps products, traffic, minutes, orders to their rows of this session; SKU rows are not counted twice.
    """
    rows = []
    for table, columns in PARTS.items():
        frame = tables.get(table, pd.DataFrame())
        if table == "products" and len(frame):
            frame = frame[frame["sku_id"].isna()]
        rows += [_check(table, column, session[column], _total(frame, column), thresholds) for column in columns]
    paid = tables.get("orders", pd.DataFrame())
    paid = paid[paid["paid_at"].notna()] if len(paid) else paid
    lines = {"orders": paid["order_id"].nunique() if len(paid) else float("nan"), "units": _total(paid, "qty"), "paid_amount": _total(paid, "paid")}
    rows += [_check("orders", column, session[column], value, thresholds) for column, value in lines.items()]
    return pd.DataFrame(rows)


def rates(reported: pd.DataFrame, session: pd.Series, *, tolerance: float) -> pd.DataFrame:
    """The platform's own rates against the same rate from its counts: what the platform divides by what.

    One row per rate: name, value (as exported), recomputed, unit (percent or score), formula_zh, formula_en, light (green within the relative
    tolerance, red otherwise, grey where a count is missing).
    """
    rows = []
    columns = reference.tables()["sessions"].columns
    for row in reported.itertuples():
        if row.numerator not in columns or row.denominator not in columns:
            continue
        factor = row.factor if pd.notna(row.factor) else 1.0
        below = session[row.denominator]
        again = factor * session[row.numerator] / below if below else float("nan")
        light = "grey" if pd.isna(again) else "green" if abs(again - row.value) <= tolerance * max(abs(again), 1e-3) else "red"
        times = "" if factor == 1 else f" × {factor:g}"
        rows.append({
            "name": row.name, "value": row.value, "recomputed": again, "unit": "percent" if factor == 1 and row.value <= 1 else "score",
            "formula_zh": f"{columns[row.numerator].zh} ÷ {columns[row.denominator].zh}{times}",
            "formula_en": f"{columns[row.numerator].en} ÷ {columns[row.denominator].en}{times}", "light": light,
        })
    return pd.DataFrame(rows, columns=["name", "value", "recomputed", "unit", "formula_zh", "formula_en", "light"])


def worst(lights: pd.Series) -> str:
    """The verdict over several lights: the worst that was checked; grey only where nothing could be checked."""
    return next((light for light in LIGHTS if (lights == light).any()), "grey")


def quality(files: pd.DataFrame, checked: pd.DataFrame, attributed: pd.DataFrame, present: dict[str, bool]) -> pd.DataFrame:
    """The data quality of a review in one row: light, counts of files and rows, missing tables, and a sentence in zh and en.

    `files` is the files ledger, `checked` the frame of `checks`, `attributed` the attribution ledger, `present` says of
    each canonical table that a review uses whether this session has rows of it.
    """
    rows = {name: int(files[name].sum()) for name in ("rows_in", "rows_kept", "rows_totals", "rows_aside")}
    unread = int(files["table"].isna().sum())
    light = worst(checked["light"])
    lacking = [name for name, there in present.items() if not there]
    names = {lang: text.choose(lang, "、", ", ").join(text.label(reference.tables()[name], lang) for name in lacking) for lang in ("zh", "en")}
    orders = attributed[attributed["table"] == "orders"] if len(attributed) else attributed
    lights = reference.terms()["light"]
    share = float(orders["share"].iloc[0]) if len(orders) else float("nan")
    zh = (f"读入 {files['file'].nunique()} 个文件 {rows['rows_in']:,} 行：保留 {rows['rows_kept']:,} 行，合计与说明行 {rows['rows_totals']:,} 行，"
          f"搁置 {rows['rows_aside']:,} 行；金额核对：{lights[light].zh}。" + (f"缺少：{names['zh']}。" if lacking else ""))
    en = (f"{files['file'].nunique()} files with {rows['rows_in']:,} rows were read: {rows['rows_kept']:,} kept, {rows['rows_totals']:,} totals and notes, "
          f"{rows['rows_aside']:,} kept aside; money: {lights[light].en.lower()}." + (f" Missing: {names['en'].lower()}." if lacking else ""))
    return pd.DataFrame([{
        "light": light, "files": files["file"].nunique(), "unread": unread, **rows, "missing": ",".join(lacking),
        "orders_attributed": share, "sentence_zh": zh, "sentence_en": en,
    }])


def _total(frame: pd.DataFrame, column: str) -> float:
    return frame[column].sum(min_count=1) if len(frame) and column in frame else float("nan")


def _check(table: str, column: str, total: float, parts: float, thresholds: dict[str, float]) -> dict[str, object]:
    whole, part = reference.tables()["sessions"].columns[column], reference.tables()[table]
    difference = parts - total
    relative = difference / total if total else (0.0 if difference == 0 else float("nan"))
    limits = (("green", thresholds["reconcile_green"]), ("amber", thresholds["reconcile_amber"]))
    light = "grey" if pd.isna(relative) else next((name for name, limit in limits if abs(relative) <= limit), "red")
    return {
        "check": f"{table}.{column}", "metric": column, "label_zh": f"{part.zh}合计 对 场次总数：{whole.zh}", "label_en": f"{part.en} vs session total: {whole.en.lower()}",
        "total": total, "parts": parts, "difference": difference, "relative": relative, "light": light,
    }
