"""What rejected.csv says of a row: what is wrong, in which column, and what to do. In the brand's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.bundle import files
from qucheng.bundle.files import Kind

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

FORMS = {
    Kind.CODE: ("1 至 40 个字符，限 A–Z a–z 0–9 . _ -", "1 to 40 characters of A-Z a-z 0-9 . _ -"),
    Kind.TEXT: ("1 至 80 个字符的文字", "text of 1 to 80 characters"),
    Kind.REASON: ("不含控制字符的文字", "text without control characters"),
    Kind.HASH: ("不含控制字符的文字", "text without control characters"),
    Kind.PLAIN: ("不含控制字符的文字", "text without control characters"),
    Kind.MONEY: (
        "小于 10¹⁰ 的金额，小数位不超过币种，如 12.30",
        "an amount below 10^10 with the currency's decimals, such as 12.30",
    ),
    Kind.SIGNED_MONEY: (
        "绝对值小于 10¹⁰ 的金额，如 -12.30",
        "an amount below 10^10 with the currency's decimals, such as -12.30",
    ),
    Kind.DATE: ("1900 至 2199 年的日期，如 2026-03-01", "a date from 1900 to 2199 such as 2026-03-01"),
    Kind.INSTANT: (
        "1900 至 2199 年的时间，如 2026-03-01T12:00:00+08:00",
        "a time from 1900 to 2199 such as 2026-03-01T12:00:00+08:00",
    ),
    Kind.RANK: ("不小于 1 的整数", "a whole number from 1 on"),
    Kind.QUANTITY: ("1 至 1000000 的整数", "a whole number from 1 to 1000000"),
    Kind.REFUNDED_QUANTITY: ("0 至 1000000 的整数", "a whole number from 0 to 1000000"),
    Kind.LEVEL: ("不小于 1 的整数", "a whole number from 1 on"),
    Kind.PRIORITY: ("-999999999 至 999999999 的整数", "a whole number from -999999999 to 999999999"),
    Kind.RESELLER_KIND: ("individual 或 company", "individual or company"),
    Kind.CHANNEL_KIND: ("agency 或 wholesale", "agency or wholesale"),
    Kind.HOLD_FROM: ("paid、delivered 或 redeemed", "paid, delivered or redeemed"),
    Kind.FULFILMENT: ("delivered 或 redeemed", "delivered or redeemed"),
}
# Ends a fault that is one with what an earlier delivery brought.
STORED = ":stored"
RATE = (
    "0 至 1、最多 6 位小数的费率；per_unit 为小于 10⁶ 的金额；graduated、slab 为自 0 起递增的「起点:费率;…」",
    "a share from 0 to 1 with at most 6 decimals; for per_unit money below 10^6; for graduated and slab brackets from:rate;… that start at 0 and rise",
)
ENDS = ("晚于 starts_on 的日期", "a date after starts_on")
RULE_PARTS = {
    "kind": ("percent、per_unit、graduated 或 slab", "percent, per_unit, graduated or slab"),
    "basis": (
        "percent 用 net、gross、margin；per_unit 只用 unit；graduated、slab 用 net、gross、unit",
        "net, gross or margin with percent, unit with per_unit and only there, net, gross or unit with graduated and slab",
    ),
    "level": (
        "percent、per_unit 从 1 起；graduated、slab 留空",
        "from 1 on with percent and per_unit, blank with graduated and slab",
    ),
    "rate": RATE,
}
SENTENCES = {
    "value.missing": ("{column}：必填，不能留空", "{column}: required, it must not be blank"),
    "value.invalid": ("{column}：应为{form}", "{column}: must be {form}"),
    "ref.unknown": (
        "{column}：所指的行不存在，或已被拒绝；请先补上",
        "{column}: no accepted row has what it refers to; add or mend that first",
    ),
    "rule.invalid": ("{column}：应为{form}", "{column}: must be {form}"),
    "rule.level_exceeded": (
        "level：{policy} 最多允许 {levels} 层计佣",
        "level: {policy} lets at most {levels} level(s) earn on a sale",
    ),
    "order.net_negative": ("discount：优惠大于总价，实付为负", "discount: larger than gross, the net would be negative"),
    "order.before_joined": ("paid_at：付款早于分销商加入之日", "paid_at: before the day on which the reseller joined"),
    "order.live": (
        "order：此编号的订单已在平台上直接下单，不能再加行",
        "order: the order of this number was placed on the platform, and takes no other lines",
    ),
    "refund.before_payment": ("refunded_at：退款早于付款", "refunded_at: before the line was paid"),
    "refund.exceeds_line": (
        "amount：累计退款超过该行的数量或实付",
        "quantity or amount: with earlier refunds it takes more than the line has",
    ),
    "fulfilment.before_payment": ("at：发放或核销早于付款", "at: before the line was paid"),
    "fulfilment.exceeds_line": (
        "quantity：累计发放或核销超过该行的数量",
        "quantity: with others of this event more units than the line has",
    ),
    "key.conflict": ("{column}：已有同一编号而内容不同的行", "{column}: there is a row with this key and other values already"),
    "key.conflict:stored": (
        "{column}：平台上已存有同一编号而内容不同的行，以已存的为准，导入不改它；{remedy}",
        "{column}: a row with this key and other values is stored, and stays; an import does not change it: {remedy}",
    ),
    "network.depth_exceeded": ("parent：超过层级上限 {depth}", "parent: deeper than the depth cap of {depth}"),
    "network.parent_joined_later": ("parent：上级此日尚未加入", "parent: has not joined by this day"),
    "network.cycle": ("parent：归属成环", "parent: would stand above itself"),
    "network.heads_exceeded": (
        "parent：同一根下将达到 30 人且链条达 3 人",
        "parent: its root would have 30 heads or more and a chain of three persons",
    ),
    "placement.before_joined": ("reseller：此日尚未加入", "reseller: has not joined by this day"),
}


# What to do about a stored row, by file.
DATED = ("请在平台上修改，并写明生效日", "change it on the platform, with the date from which it holds")
REMEDIES = {
    "resellers": (
        "上级与分级请在 placements.csv 加一行，写明 effective_on；其余在平台上修改，并写明生效日",
        "for another parent or tier add a row to placements.csv with its effective_on; change the rest on the platform, with a date",
    ),
    "placements": ("请另加一行，effective_on 取新的日期", "add a row with a later effective_on"),
    "prices": ("请另加一行，starts_on 取新的日期", "add a row with a later starts_on"),
    "rules": (
        "请用新编号另立一条规则，以 starts_on 起算、priority 更高；或在平台上发布方案的新版本",
        "give the new rule a code of its own, a starts_on and a higher priority, or publish a new version of the plan on the platform",
    ),
    "orders": ("请用退款或调整更正", "correct it by a refund or an adjustment"),
    "refunds": ("请用调整更正", "correct it by an adjustment"),
    "fulfilments": ("请用调整更正", "correct it by an adjustment"),
    "adjustments": ("请另记一笔调整更正", "correct it by another adjustment"),
}


# Of rows that were taken in and that a person should look at.
FLAGS = {
    "order.capped": ("佣金合计超过上限，已按比例压缩", "together the commissions passed the cap and were cut in proportion"),
    "order.price_deviates": ("总价与当日的渠道价不符", "gross is not the channel's price of that day"),
    "order.self_purchase": (
        "买家就是分销商本人或其上级，不计佣金",
        "the buyer is the reseller or stands above it: nothing is earned",
    ),
}


def sentence(fault: str, name: str, brand: Brand, locale: str | None = None) -> str:
    """fault: a code, a colon and the column at fault, STORED where that is so; name: of the file, without .csv.

    locale: the language, if another than the brand's.
    """
    code, _, column = fault.removesuffix(STORED).partition(":")
    language = 1 if (locale or brand.locale) == "en" else 0
    return SENTENCES[code + STORED if fault.endswith(STORED) else code][language].format(
        column=column,
        remedy=REMEDIES.get(name, DATED)[language],
        form=_form(code, name, column)[language],
        policy=brand.policy,
        levels=brand.max_levels,
        depth=brand.max_depth,
    )


def _form(code: str, name: str, column: str) -> tuple[str, str]:
    if code == "rule.invalid":
        return RULE_PARTS[column]
    if column == "ends_on":
        return tuple(f"{a}；{b}" if i == 0 else f"{a}, {b}" for i, (a, b) in enumerate(zip(FORMS[Kind.DATE], ENDS, strict=True)))  # type: ignore[return-value]
    if (name, column) == ("rules", "rate"):
        return RATE
    kind = next((c.kind for file in files.FILES if file.name == name for c in file.columns if column == c.name), Kind.PLAIN)
    return FORMS[kind]
