"""The exports of 抖店: orders and after-sales cases, with some dirty rows; settlement bills."""

import functools
import hashlib
from pathlib import Path

import pandas as pd

from helpers.demo import cells, hand
from helpers.demo.schedule import shop

# of the orders, when the platform has not yet said where the day's orders came from
EARLY_EXPORT = "2026-11-15 00:10:00"
CASE_KINDS = {
    "refund_before_shipping": "未发货退款",
    "refund_after_shipping": "已发货退款",
    "return_refund": "退货退款",
    "exchange": "换货",
}
CASE_STATUS = {
    "succeeded": "同意退款，退款成功",
    "closed": "售后关闭",
    "exchanged": "换货成功",
    "open": "待商家处理",
}


def _cipher(values: pd.Series, mark: str) -> pd.Series:
    """Masked contact fields: the same person has the same text."""
    masked = {
        value: mark + hashlib.blake2b(value.encode(), digest_size=8).hexdigest()
        for value in values.unique()
    }
    return values.map(masked)


def _order_columns(orders: pd.DataFrame, exported: pd.Timestamp) -> dict[str, pd.Series]:
    """What is later than the export is not known yet."""
    o = orders
    every = functools.partial(pd.Series, index=o.index)

    def by_then(name: str) -> pd.Series:
        return cells.clock(o[name].mask(o[name] > exported), cells.DASHES)

    status = o["status"].mask(o["shipped_at"] > exported, "待发货")
    refunded = o["refunded"].notna()
    after = (
        every("-")
        .mask(refunded, "退款成功")
        .mask(refunded & (o["refunded"] == o["paid"]), "已全额退款")
    )
    live = o["channel"] == "直播"
    late = (o["created_at"] >= exported.floor("D") - pd.Timedelta(days=1)) & (exported.hour < 8)
    where = o["channel"].mask(late, "数据将于第二天更新")
    source = o["source"].fillna("-").mask(late, "-")
    packet = "SF" + o["line_id"].str[-12:] + "-顺丰速运,10001-1"
    return {
        "主订单编号": cells.quoted(o["order_id"]),
        "子订单编号": cells.quoted(o["line_id"]),
        "支付方式": every("支付宝").where(o["paid"].notna(), "-"),
        "选购商品": cells.quoted(o["product_name"]),
        "商品ID": cells.quoted(o["product_id"]),
        "商品数量": o["qty"].astype(int).astype(str),
        "商品金额": cells.money((o["payable"] + o["discount"]) / o["qty"]),
        "订单提交时间": by_then("created_at"),
        "支付完成时间": by_then("paid_at"),
        "订单完成时间": by_then("finished_at"),
        "承诺发货时间": cells.clock(o["promised_at"], cells.DASHES),
        "发货时间": by_then("shipped_at"),
        "APP渠道": every("抖音"),
        "订单状态": status,
        "取消原因": every("-").where(o["paid"].notna(), "超时未支付"),
        "售后状态": after,
        "订单类型": every("普通订单"),
        "订单应付金额": cells.money(o["payable"]),
        "运费": every("0.00"),
        "优惠总金额": cells.money(o["discount"]),
        "商家优惠": cells.money(o["discount"]),
        "收件人": cells.quoted(_cipher(o["buyer_key"], "##")),
        "收件人手机号": cells.quoted(_cipher(o["buyer_key"], "$$")),
        "省": o["province"],
        "详细地址": cells.quoted(_cipher(o["buyer_key"] + "a", "##")),
        "快递信息": cells.quoted(packet.where(o["shipped_at"] <= exported)),
        "达人昵称": o["room_name"].fillna("-"),
        "流量来源": source,
        "流量类型": source.map(
            {
                name: "付费流量" if item["paid"] else "自然流量"
                for name, item in shop()["sources"].items()
            }
        ).fillna("-"),
        "流量体裁": where,
        "流量渠道": source.where(live, "-"),
    }


def _shop_file(
    path: Path,
    layout: str,
    columns: dict[str, pd.Series],
    rows: int,
    *,
    encoding: str,
    extra: bool = False,
) -> Path:
    headers = cells.layout(layout)
    filled = {name: columns[name].tolist() if name in columns else ["-"] * rows for name in headers}
    cells.text_table(path, headers, filled, encoding=encoding, extra=extra)
    return path


def _epoch_name(exported: pd.Timestamp, part: str) -> str:
    digest = hashlib.blake2b(f"{exported}{part}".encode(), digest_size=16).hexdigest()
    return f"{int(exported.tz_localize(shop()['timezone']).timestamp())}_{digest}.csv"


def _order_file(
    orders: pd.DataFrame,
    raw: Path,
    exported: pd.Timestamp,
    part: str,
    *,
    encoding: str = "utf-8-sig",
) -> Path:
    zoned = exported.tz_localize(shop()["timezone"])
    hand.members(orders, raw, exported, part)
    path = raw / _epoch_name(exported, f"orders {part}")
    _shop_file(
        path,
        "doudian_orders",
        _order_columns(orders, zoned),
        len(orders),
        encoding=encoding,
        extra=True,
    )
    return cells.stamp(path, exported)


def write_orders(orders: pd.DataFrame, raw: Path, exported: pd.Timestamp) -> cells.Dirty:
    """Orders by quarter, the first in GB18030; the last early, then from its last week on anew."""
    created = orders["created_at"].dt.tz_localize(None)
    quarter = created.dt.to_period("Q")
    early = pd.Timestamp(EARLY_EXPORT)
    periods = sorted(quarter.unique())
    for number, period in enumerate(periods[:-1]):
        encoding = "gb18030" if number == 0 else "utf-8-sig"
        _order_file(
            orders[quarter == period],
            raw,
            exported - pd.Timedelta(hours=len(periods) - number),
            str(period),
            encoding=encoding,
        )
    last = quarter == periods[-1]
    dirty = _dirty_orders(_order_file(orders[last & (created < early)], raw, early, "early"))
    _order_file(
        orders[last & (created >= early.floor("D") - pd.Timedelta(days=7))], raw, exported, "late"
    )
    return dirty


def _dirty_orders(path: Path) -> cells.Dirty:
    head, *rows = path.read_bytes().decode("utf-8-sig").split("\r\n")
    headers, stamp = head.split(","), path.stat()
    rows = rows[:-1]
    place = {name: headers.index(name) for name in headers}

    def changed(row: str, number: int, column: str, value: str) -> str:
        parts = row.split(",")
        parts[place["主订单编号"]] = parts[place["子订单编号"]] = f'"\t69999999999999900{number}7"'
        parts[place[column]] = value
        return ",".join(parts)

    time, amount = "2026-13-45 25:61:00", "-19.90"
    rows.insert(10, changed(rows[3], 1, "订单提交时间", time))
    rows.insert(20, changed(rows[4], 2, "订单应付金额", amount))
    rows.insert(30, rows[29])
    path.write_bytes(("\r\n".join([head, *rows]) + "\r\n").encode("utf-8-sig"))
    cells.stamp(
        path,
        pd.Timestamp(stamp.st_mtime, unit="s", tz="UTC")
        .tz_convert(shop()["timezone"])
        .tz_localize(None),
    )
    twice = rows[30].split(",")[1].strip('"\t')
    return [
        cells.dirty(path, 12, "订单提交时间", time, "impossible_time"),
        cells.dirty(path, 22, "订单应付金额", amount, "negative_amount"),
        cells.dirty(path, 31, "子订单编号", twice, "duplicate") | {"again": 32},
    ]


def _case_columns(cases: pd.DataFrame, paid: pd.Series) -> dict[str, pd.Series]:
    c = cases
    every = functools.partial(pd.Series, index=c.index)
    return {
        "售后单号": cells.quoted(c["case_id"]),
        "订单号": cells.quoted(c["order_id"]),
        "商品单号": cells.quoted(c["line_id"]),
        "商品名称": cells.quoted(c["product_name"]),
        "商品ID": cells.quoted(c["product_id"]),
        "应付金额（元）": cells.money(paid),
        "商品运费（元）": every("0.00"),
        "商品发货状态": every("已发货").mask(c["before_shipping"].fillna(False), "未发货"),
        "售后类型": c["kind"].map(CASE_KINDS),
        "退商品金额（元）": cells.money(c["amount"]),
        "退运费金额（元）": every("0.00"),
        "售后状态": c["status"].map(CASE_STATUS),
        "售后申请时间": cells.clock(c["asked_at"], cells.DASHES),
        "退款方式": every("原路退款"),
        "售后原因": c["reason"],
        "自动处理截止时间": cells.clock(c["due_at"], cells.DASHES),
        "同意售后申请时间": cells.clock(c["first_reply_at"], cells.DASHES),
        "商家退款时间": cells.clock(c["refunded_at"], cells.DASHES),
        "用户到账时间": cells.clock(c["refunded_at"], cells.DASHES),
        "售后关闭时间": cells.clock(c["closed_at"].where(c["status"] == "closed"), cells.DASHES),
        "售后完结时间": cells.clock(c["closed_at"], cells.DASHES),
        "仲裁状态": every("-").mask(c["disputed"].fillna(False), "仲裁中"),
        "是否极速退款": every("否"),
        "门店名称": every(shop()["name"]),
    }


def write_cases(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> cells.Dirty:
    """After-sales cases by half year; the last has an unknown order, and words for an amount."""
    cases = tables["aftersales"].reset_index(drop=True)
    if cases.empty:
        return []
    paid = cases["line_id"].map(tables["orders"].set_index("line_id")["payable"])
    asked = cases["asked_at"].dt.tz_localize(None)
    half = asked.dt.year * 2 + (asked.dt.month > 6)
    dirty: cells.Dirty = []
    for number, key in enumerate(sorted(half.unique())):
        mine = cases[half == key].reset_index(drop=True)
        columns = _case_columns(mine, paid[half == key].reset_index(drop=True))
        at = exported - pd.Timedelta(minutes=30 - number)
        path = raw / _epoch_name(at, f"cases {key}")
        if key == half.max():
            columns, dirty = _dirty_cases(columns, path)
        _shop_file(
            path, "doudian_aftersales", columns, len(columns["售后单号"]), encoding="utf-8-sig"
        )
        cells.stamp(path, at)
    return dirty


def _dirty_cases(
    columns: dict[str, pd.Series], path: Path
) -> tuple[dict[str, pd.Series], cells.Dirty]:
    more = {
        header: pd.concat([values, values.iloc[[0, 0]]], ignore_index=True)
        for header, values in columns.items()
    }
    n = len(more["售后单号"])
    changes = [
        (n - 2, "售后单号", '"\t142999999999999017"'),
        (n - 1, "售后单号", '"\t142999999999999027"'),
        (n - 1, "退商品金额（元）", "见备注"),
        (n - 2, "订单号", '"\t6900000000000000137"'),
        (n - 2, "商品单号", '"\t6900000000000000139"'),
    ]
    for row, header, value in changes:
        more[header] = more[header].where(more[header].index != row, value)
    return more, [
        cells.dirty(path, n, "商品单号", "6900000000000000139", "unknown_order"),
        cells.dirty(path, n + 1, "退商品金额（元）", "见备注", "text_for_number"),
    ]


def _bill_columns(bill: pd.DataFrame) -> dict[str, pd.Series]:
    """Ids stand behind an apostrophe."""
    every = functools.partial(pd.Series, index=bill.index)
    ids = {"订单号": "order_id", "子订单号": "line_id", "商品ID": "product_id"}
    amounts = {
        "结算金额": "settled",
        "结算前退款金额": "refunded_before",
        "用户实付": "user_paid",
        "收入合计": "income",
        "平台服务费": "platform_fee",
        "达人佣金": "commission",
        "支出合计": "expense",
    }
    return {
        **{header: "'" + bill[name] for header, name in ids.items()},
        **{header: cells.money(bill[name]) for header, name in amounts.items()},
        "结算时间": cells.clock(bill["settled_at"], cells.DASHES),
        "下单时间": cells.clock(bill["created_at"], cells.DASHES),
        "结算账户": bill["account"],
        "结算单类型": bill["scene"],
        "商品名称": bill["product_name"],
        "有结算前退款": every("否").mask(bill["refunded_before"] < 0, "是"),
        "业务类型": every("普通订单"),
    }


def write_bills(bill: pd.DataFrame, raw: Path, exported: pd.Timestamp) -> None:
    """A settlement bill a month, its second row the note on how the platform reckons."""
    month = bill["settled_at"].dt.strftime("%Y-%m")
    for number, name in enumerate(sorted(month.unique())):
        mine = bill[month == name].reset_index(drop=True)
        columns = _bill_columns(mine)
        headers = cells.layout("doudian_settlement")
        filled = {
            header: ["平台计算说明" if header == headers[0] else ""]
            + (columns[header].tolist() if header in columns else ["0.00"] * len(mine))
            for header in headers
        }
        at = exported - pd.Timedelta(minutes=20 - number)
        path = raw / _epoch_name(at, f"bill {name}")
        cells.text_table(path, headers, filled, encoding="utf-8-sig")
        cells.stamp(path, at)
