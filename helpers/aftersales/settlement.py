"""What the platform has settled of each session, what it kept, and what is still out."""

import pandas as pd

from helpers import reference
from helpers.core import text

AMOUNTS = ["settled", "platform_fee", "commission"]
BY_SESSION = [
    "session_id",
    "started",
    "n",
    "paid_amount",
    "refunded_amount",
    "settled_n",
    *AMOUNTS,
    "settled_to",
    "open_n",
    "outstanding",
]
UNCLAIMED = ["why_not", "why_zh", "why_en", "scene", "n", *AMOUNTS]
NOT_SETTLED = {"zh": "未扣平台费、未结算", "en": "before platform fee, not settled"}


def counted(settlements: pd.DataFrame) -> pd.DataFrame:
    """Settlements in which no money stands twice, amounts with their sign.

    A movement of the shop's account (`flow`) of an order line, or of an order, that the settlement
    bill has as well is the bill's money once more and left out. One that went out is below zero.
    """
    moved = settlements["flow"].notna()
    bill = settlements[~moved]
    again = moved & (
        settlements["line_id"].isin(bill["line_id"].dropna())
        | (settlements["line_id"].isna() & settlements["order_id"].isin(bill["order_id"].dropna()))
    )
    size = settlements["settled"].abs()
    signed = settlements["settled"].mask(settlements["flow"].eq("out"), -size)
    return settlements.assign(settled=signed.mask(settlements["flow"].eq("in"), size))[~again]


def by_session(lines: pd.DataFrame, settlements: pd.DataFrame) -> pd.DataFrame:
    """What is settled and what is still out: one row per session with paid lines, newest first.

    `lines` are those of `order_lines.lines`, `settlements` those of `counted`. Columns: session_id,
    started (first payment), n (paid lines), paid_amount, refunded_amount, settled_n (lines of which
    the buyer's money was settled), settled, platform_fee, commission (sums of all rows of the
    session, exact to the cent, in the sign of the bill), settled_to (newest settlement), open_n and
    outstanding (lines not settled that were not refunded in full; paid less refunded, before fees;
    missing for sessions so old that, by the shortest wait there is, settlements of them can stand
    in bills before the first one).
    """
    live = lines[lines["session_id"].notna()]
    arrived = settlements["user_paid"].gt(0) | settlements["settled"].gt(0)
    first = settlements[arrived].groupby("line_id")["settled_at"].min()
    first = first.reindex(live["line_id"]).set_axis(live.index)
    settled = first.notna()
    left = _cents(live["paid"] - live["refunded_amount"])
    still_out = ~settled & left.gt(0)
    sums = (
        live.assign(
            paid=_cents(live["paid"]),
            refunded_amount=_cents(live["refunded_amount"]),
            settled_n=settled,
            open_n=still_out,
            outstanding=left.where(still_out, 0),
        )
        .groupby("session_id")
        .agg(
            started=("paid_at", "min"),
            n=("line_id", "size"),
            paid_amount=("paid", "sum"),
            refunded_amount=("refunded_amount", "sum"),
            settled_n=("settled_n", "sum"),
            open_n=("open_n", "sum"),
            outstanding=("outstanding", "sum"),
        )
    )
    money = ["paid_amount", "refunded_amount", "outstanding"]
    table = sums.assign(**{name: sums[name] / 100 for name in money}).join(
        [
            _exact(settlements, ["session_id"]),
            settlements.groupby("session_id")["settled_at"].max().rename("settled_to"),
        ]
    )
    wait = (first - live["paid_at"]).min()
    since = settlements["settled_at"].min() - (wait if pd.notna(wait) else pd.Timedelta(0))
    reached = ~(table["started"] < since)
    still = table["open_n"].astype("Int64").where(reached)
    table = table.assign(open_n=still, outstanding=table["outstanding"].where(reached))
    newest = table.sort_values("started", ascending=False, kind="stable")
    return newest.reset_index()[BY_SESSION]


def unclaimed(settlements: pd.DataFrame) -> pd.DataFrame:
    """Settlements that no session can claim, the largest amounts first.

    `settlements` are those of `counted`. One row per reason and kind: why_not (that of
    `attribution`), why_zh, why_en, scene, n (rows), settled, platform_fee, commission (exact to
    the cent).
    """
    rows = settlements[settlements["session_id"].isna()]
    keys, reasons = ["why_not", "scene"], reference.terms()["column"]
    if rows.empty:
        return pd.DataFrame(columns=UNCLAIMED)
    sizes = rows.groupby(keys, dropna=False).size().rename("n")
    table = pd.concat([sizes, _exact(rows, keys)], axis=1).reset_index()
    labels = table["why_not"].map(reasons.get)
    table = table.assign(
        **{
            f"why_{lang}": [text.label(label, lang) if label else "" for label in labels]
            for lang in ("zh", "en")
        }
    )
    order = table["settled"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order, UNCLAIMED].reset_index(drop=True)


def _cents(amounts: pd.Series) -> pd.Series:
    return (amounts.astype(float) * 100).round()


def _exact(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums of whole cents: those of fractions depend on the order of the rows."""
    in_cents = rows.assign(**{name: _cents(rows[name]) for name in AMOUNTS})
    return in_cents.groupby(keys, dropna=False)[AMOUNTS].sum(min_count=1) / 100


def total_words(
    settlements: pd.DataFrame, every: pd.DataFrame, lang: str, currency: str = "CNY"
) -> str:
    """Where the settled money belongs: to sessions, and to none; what is counted once.

    `settlements` are those of `counted`, `every` all rows that were read.
    """
    mine = settlements["session_id"].notna()
    amounts = _cents(settlements["settled"])
    all_money, of_sessions, of_none = (
        text.money(part.sum() / 100, lang, currency, decimals=2)
        for part in (amounts, amounts[mine], amounts[~mine])
    )
    words = text.choose(
        lang,
        f"结算共 {len(settlements)} 笔 {all_money}：归到场次 {mine.sum()} 笔 {of_sessions}，"
        f"没有归到场次 {(~mine).sum()} 笔 {of_none}。",
        f"{len(settlements)} settlements, {all_money}: {mine.sum()} of sessions, {of_sessions}; "
        f"{(~mine).sum()} not attributed to a session, {of_none}.",
    )
    again = len(every) - len(settlements)
    if again:
        words += text.choose(
            lang,
            f"资金账单里 {again} 笔与结算账单是同一笔钱，没有重复计。",
            f" {again} movements of the account are money of the settlement bill once more and are "
            "counted once.",
        )
    return words


def standing(table: pd.DataFrame, session_id: str, lang: str, currency: str = "CNY") -> str:
    """What a profit before the platform's fee must say of it: settled, in part, or not at all.

    `table` is that of `by_session`.
    """
    row = table[table["session_id"] == session_id]
    done, still_out = (int(row[name].sum()) for name in ("settled_n", "open_n"))
    earlier = row["open_n"].isna().any()
    if not done:
        return text.choose(lang, NOT_SETTLED["zh"], NOT_SETTLED["en"])
    fee = text.money(float(row["platform_fee"].abs().sum()), lang, currency)
    if still_out:
        return text.choose(
            lang,
            f"未扣平台费，{done + still_out} 单只结算了 {done} 单（已知平台费 {fee}）",
            f"before platform fee, {done} of {done + still_out} order lines settled (fee so far "
            f"{fee})",
        )
    if earlier:
        return text.choose(
            lang,
            f"未扣平台费，已知结算 {done} 单（平台费 {fee}），更早的结算账单没有导出",
            f"before platform fee, {done} order lines known to be settled (fee {fee}); earlier "
            "bills were not exported",
        )
    return text.choose(
        lang, f"未扣平台费 {fee}，订单已结算", f"before the platform fee of {fee}, orders settled"
    )
