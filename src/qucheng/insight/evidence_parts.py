"""The files of an evidence pack: what each holds, in words and as a query over what evidence.sql has put aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.core import cells
from qucheng.network import attempt

if TYPE_CHECKING:
    from collections.abc import Callable

text = cells.sql_inert


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the pack, always in the same order. en and zh: what it is."""

    name: str
    query: str
    en: str
    zh: str


def at(column: str) -> str:
    """An instant, in UTC."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def month(column: str) -> str:
    return f"to_char({column}, 'YYYY-MM')"


def day(column: str) -> str:
    """Blank for a day without end."""
    return f"nullif(nullif({column}, 'infinity'), '-infinity')"


def parts(decimals: int) -> list[Part]:
    """Amounts are in units of the currency, with its decimals."""

    def money(column: str) -> str:
        return f"{column} * {1 if decimals == 0 else '0.' + '1'.zfill(decimals)}"

    return [*_people(), *_rules(money), *_earned(money), *_delivered(), *_watched(money)]


def _people() -> list[Part]:
    return [
        Part(
            name="members.csv",
            query=f"""SELECT {text("m.reseller")} AS reseller, {text("r.name")} AS name, r.kind, {text("m.tier")} AS tier, {text("m.parent")} AS parent, m.depth,
                m.starts_on, m.ends_on FROM pack_member m JOIN reseller r ON r.brand_id = current_brand() AND r.code = m.reseller ORDER BY m.reseller, m.starts_on""",
            en="Who stood under the root in the period, where and how deep, from a day until the day before another.",
            zh="期间内在该根节点之下的分销商：所在位置、深度（受层级上限约束）与起止日期（止日不含）。",
        ),
        Part(
            name="joining.csv",
            query=f"""SELECT {text("r.code")} AS reseller, r.joined_on, a.id AS application, {at("a.applied_at")} AS applied_at, {at("a.decided_at")} AS decided_at,
                a.decided_by, a.fee_minor AS fee, CASE WHEN a.id IS NULL THEN 'delivery' ELSE 'application' END AS source
                FROM pack_person p JOIN reseller r ON r.brand_id = current_brand() AND r.code = p.reseller
                LEFT JOIN application a ON a.brand_id = r.brand_id AND a.reseller = r.code ORDER BY r.code""",
            en="How each of them joined and that it cost nothing: the database takes no fee but 0. Who came with a delivery has no application here.",
            zh="每名分销商如何加入，以及加入费用为 0：数据库不接受其他数额。随交付导入者没有申请记录。",
        ),
        Part(
            name="placements.csv",
            query=f"""SELECT {text("e.reseller")} AS reseller, e.effective_on, {text("e.parent")} AS parent, {text("e.tier")} AS tier, e.cause, {text("d.reason")} AS reason,
                {at("d.decided_at")} AS decided_at, d.decided_by
                FROM (SELECT code AS reseller, joined_on AS effective_on, parent, tier, 'join' AS cause FROM reseller
                      UNION ALL SELECT reseller, effective_on, parent, tier, 'move' FROM placement) e
                JOIN pack_person p ON p.reseller = e.reseller
                LEFT JOIN placement_decision d ON e.cause = 'move' AND d.brand_id = current_brand() AND d.reseller = e.reseller AND d.effective_on = e.effective_on
                ORDER BY e.reseller, e.effective_on, e.cause""",
            en="Every placement of theirs, before and after the period too: the join, then each move.",
            zh="其全部归属记录（包括期间之前和之后）：加入，以及之后的每次变更。",
        ),
        Part(
            name="standing.csv",
            query=f"""SELECT {text("c.reseller")} AS reseller, c.number, c.change, c.effective_on, {text("c.reason")} AS reason, {at("c.changed_at")} AS changed_at, c.changed_by
                FROM pack_person p JOIN standing_change c ON c.brand_id = current_brand() AND c.reseller = p.reseller ORDER BY c.reseller, c.number""",
            en="Freezes, their ends, and closed accounts.",
            zh="冻结、解除冻结与账户关闭。",
        ),
        Part(
            name="identity.csv",
            query=f"""SELECT {text("v.reseller")} AS reseller, v.number, v.outcome, v.method, v.expires_on, {at("v.verified_at")} AS verified_at, v.verified_by
                FROM pack_person p JOIN identity_verification v ON v.brand_id = current_brand() AND v.reseller = p.reseller ORDER BY v.reseller, v.number""",
            en="That identities were looked at, by whom and how. The identity itself is not here.",
            zh="身份核验的结果、方式与核验人。不含身份信息本身。",
        ),
        Part(
            name="agreements.csv",
            query=f"""SELECT a.number, a.effective_on, {text("a.title_zh")} AS title_zh, {text("a.title_en")} AS title_en, {text("a.text_zh")} AS text_zh,
                {text("a.text_en")} AS text_en, a.sha256, {at("a.published_at")} AS published_at, a.published_by FROM agreement a JOIN pack_scope s ON a.effective_on < s.ends_on
                ORDER BY a.number""",
            en="The agreements of the brand up to the end of the period, word for word.",
            zh="截至期末品牌方的各版协议全文。",
        ),
        Part(
            name="agreement_acceptances.csv",
            query=f"""SELECT {text("c.reseller")} AS reseller, c.number, c.sha256, {at("c.accepted_at")} AS accepted_at, c.address, c.accepted_by, c.application
                FROM pack_person p JOIN agreement_acceptance c ON c.brand_id = current_brand() AND c.reseller = p.reseller ORDER BY c.reseller, c.number""",
            en="Which agreement each of them accepted: when, from which address, and the hash of the words.",
            zh="各分销商接受了哪一版协议：时间、网络地址与文本哈希。",
        ),
    ]


def _rules(money: Callable[[str], str]) -> list[Part]:
    return [
        Part(
            name="policy.csv",
            query=f"""SELECT b.policy, t.max_depth, t.max_levels, t.max_total_rate_ppm * 0.000001 AS max_total_rate, {text("b.legal_opinion")} AS legal_opinion,
                {day("b.expires_on")} AS expires_on, {day("t.starts_on")} AS starts_on, v.author, v.approver, v.approval
                FROM brand b JOIN policy_term t ON t.brand_id = b.id JOIN pack_scope s ON t.starts_on < s.ends_on
                LEFT JOIN policy_value v ON v.brand_id = b.id AND v.starts_on = t.starts_on WHERE b.id = current_brand() ORDER BY t.starts_on""",
            en="The compliance policy of the brand and its limits, and from which day on they were tightened. expires_on: of the opinion with which the brand came.",
            zh="品牌方的合规政策与上限，以及自哪一天起收紧。expires_on 为品牌方导入时所附法律意见的到期日。",
        ),
        Part(
            name="legal_opinions.csv",
            query=f"""SELECT o.number, {text("o.reference")} AS reference, o.starts_on, o.expires_on, o.author, o.approver, o.approval, {at("o.approved_at")} AS approved_at
                FROM legal_opinion o JOIN pack_scope s ON o.starts_on < s.ends_on ORDER BY o.number""",
            en="Opinions by which a second level earns: who put each forward and who allowed it.",
            zh="使第二层计酬成立的法律意见：提出人与批准人。",
        ),
        Part(
            name="plans.csv",
            query=f"""SELECT v.number, {text("v.name")} AS name, v.effective_on, v.author, {at("v.submitted_at")} AS submitted_at, v.approver, {at("v.approved_at")} AS approved_at,
                v.approval, v.sha256, c.sha256 AS certificate_sha256, {text("v.document")} AS document
                FROM pack_scope s JOIN plan_version v ON v.brand_id = current_brand() AND v.state = 'approved' AND v.effective_on < s.ends_on
                LEFT JOIN plan_certificate c ON c.brand_id = v.brand_id AND c.version = v.number ORDER BY v.number""",
            en="The versions of the commission plan up to the end of the period, with author and approver; the certificates are in certificates/.",
            zh="截至期末的佣金方案各版本、提出人与批准人；证书见 certificates/。",
        ),
        Part(
            name="rules.csv",
            query=f"""SELECT {text("r.code")} AS rule, r.kind, r.level, {text("r.sku")} AS sku, {text("r.category")} AS category, {text("r.channel")} AS channel,
                {text("r.tier")} AS tier, r.basis, r.rate_text AS rate, r.priority, r.starts_on, r.ends_on, r.plan_version
                FROM rule_term r JOIN pack_scope s ON (r.starts_on IS NULL OR r.starts_on < s.ends_on) AND (r.ends_on IS NULL OR s.starts_on < r.ends_on) ORDER BY r.code""",
            en="The rules by which sales earned in the period. Those without a plan_version came with a delivery.",
            zh="期间内有效的计酬规则。没有 plan_version 的规则随交付导入。",
        ),
        Part(
            name="approvals.csv",
            query=f"""SELECT a.id AS approval, a.action, a.maker, {at("a.requested_at")} AS requested_at, a.checker, {at("a.decided_at")} AS decided_at, a.state,
                {text("a.reason")} AS reason, a.sha256, {text("a.payload")} AS payload
                FROM pack_scope s JOIN approval a ON a.brand_id = current_brand() AND a.requested_at < s.ends_at
                 AND a.action IN ('plan.publish', 'policy.opinion', 'policy.tighten', 'prices.publish') AND a.state IN ('executed', 'rejected') ORDER BY a.requested_at, a.id""",
            en="What one person asked for and another decided: plans, prices, legal opinions and tighter limits, word for word.",
            zh="一人申请、另一人决定的事项全文：佣金方案、渠道价、法律意见与收紧上限。",
        ),
        Part(
            name="prices.csv",
            query=f"""SELECT {text("p.sku")} AS sku, {text("p.channel")} AS channel, {text("p.tier")} AS tier, {money("p.price_minor")} AS price,
                {day("p.starts_on")} AS starts_on, p.ends_on, p.version
                FROM live_price_cell p JOIN pack_scope s ON p.starts_on < s.ends_on AND (p.ends_on IS NULL OR s.starts_on < p.ends_on)
                ORDER BY p.sku, p.channel NULLS FIRST, p.tier NULLS FIRST, p.starts_on, p.version""",
            en="The price list of each channel in the period. A blank channel is the base price, a blank tier any; a blank price: not sold there.",
            zh="期间内各渠道的价格表。渠道为空表示基础价，分级为空表示全部；价格为空表示该渠道不售。",
        ),
    ]


def _earned(money: Callable[[str], str]) -> list[Part]:
    sums = ", ".join(f"{money(f'l.{name}_minor')} AS {name}" for name in ("gross", "discount", "net"))
    return [
        Part(
            name="order_lines.csv",
            query=f"""SELECT {text("l.order_no")} AS order_no, {text("l.line_no")} AS line_no, {at("l.paid_at")} AS paid_at, {text("l.reseller")} AS reseller,
                {text("l.parent")} AS parent, {text("l.channel")} AS channel, {text("l.sku")} AS sku, l.quantity, {sums}, l.buyer_sha256, l.self_purchase
                FROM pack_line l ORDER BY l.order_no, l.line_no""",
            en="What they sold in the period; each commission belongs to one of these lines. buyer_sha256: SHA-256 of the brand's code, a colon and the buyer's key.",
            zh="期间内的订单行；每笔佣金都对应其中一行。buyer_sha256 为品牌方代码、冒号与买方标识的 SHA-256。",
        ),
        Part(
            name="commissions.csv",
            query=f"""SELECT {text("a.order_no")} AS order_no, {text("a.line_no")} AS line_no, a.level, {text("a.reseller")} AS reseller, {text("a.rule")} AS rule,
                a.basis_value, {money("a.amount_minor")} AS amount, {at("a.occurred_at")} AS occurred_at, {at("a.matures_at")} AS matures_at
                FROM pack_line l JOIN timed_accrual a ON a.brand_id = current_brand() AND a.order_no = l.order_no AND a.line_no = l.line_no
                ORDER BY a.order_no, a.line_no, a.level""",
            en="What was earned on these lines: level 1 is the seller, 2 its direct upline. basis_value is in the currency's smallest unit, or a count.",
            zh="这些订单行产生的佣金：第 1 层为销售者，第 2 层为其直接上级。basis_value 以货币最小单位计，或为件数。",
        ),
        Part(
            name="refunds.csv",
            query=f"""SELECT {text("f.order_no")} AS order_no, {text("f.line_no")} AS line_no, {text("f.refund_no")} AS refund_no, {at("f.refunded_at")} AS refunded_at,
                f.quantity, {money("f.amount_minor")} AS amount
                FROM pack_line l JOIN refund f ON f.brand_id = current_brand() AND f.order_no = l.order_no AND f.line_no = l.line_no
                ORDER BY f.order_no, f.line_no, f.refund_no""",
            en="What buyers got back on these lines, whenever it was.",
            zh="这些订单行的全部退款（不限时间）。",
        ),
        Part(
            name="reversals.csv",
            query=f"""SELECT {text("v.order_no")} AS order_no, {text("v.line_no")} AS line_no, v.level, {text("v.refund_no")} AS refund_no, {text("v.reseller")} AS reseller,
                {text("v.rule")} AS rule, {money("v.amount_minor")} AS amount, {at("v.occurred_at")} AS occurred_at
                FROM pack_line l JOIN reversal v ON v.brand_id = current_brand() AND v.order_no = l.order_no AND v.line_no = l.line_no
                ORDER BY v.order_no, v.line_no, v.level, v.refund_no""",
            en="Commission that went back with these refunds.",
            zh="随退款冲回的佣金。",
        ),
        Part(
            name="bonuses.csv",
            query=f"""SELECT {text("b.reseller")} AS reseller, {month("b.period")} AS period, {month("b.of_period")} AS of_period, {text("b.rule")} AS rule, b.basis_value,
                {money("b.amount_minor")} AS amount FROM pack_scope s JOIN bonus b ON b.brand_id = current_brand() AND b.period >= s.starts_on AND b.period < s.ends_on
                JOIN pack_person p ON p.reseller = b.reseller ORDER BY b.reseller, b.period, b.rule, b.of_period""",
            en="Bonuses on a seller's own volume that were settled in the period.",
            zh="期间内结算的本人销售额奖励。",
        ),
        Part(
            name="adjustments.csv",
            query=f"""SELECT {text("a.code")} AS adjustment, {text("a.reseller")} AS reseller, {at("a.occurred_at")} AS occurred_at, {money("a.amount_minor")} AS amount,
                {text("a.reason")} AS reason, c.reason_code, c.reference_kind, {text("c.reference")} AS reference, {text("c.note")} AS note, c.maker, c.checker, c.approval
                FROM pack_scope s JOIN adjustment a ON a.brand_id = current_brand() AND a.occurred_at >= s.starts_at AND a.occurred_at < s.ends_at
                JOIN pack_person p ON p.reseller = a.reseller LEFT JOIN adjustment_case c ON c.brand_id = a.brand_id AND c.code = a.code ORDER BY a.code""",
            en="Amounts added or taken by two people, with reason and reference. Those without a maker came with a delivery.",
            zh="由两人共同作出的调整及其原因与依据。没有申请人的随交付导入。",
        ),
    ]


def _delivered() -> list[Part]:
    return [
        Part(
            name="fulfilments.csv",
            query=f"""SELECT {text("f.order_no")} AS order_no, {text("f.line_no")} AS line_no, f.event, {at("f.at")} AS at, f.quantity
                FROM pack_line l JOIN fulfilment f ON f.brand_id = current_brand() AND f.order_no = l.order_no AND f.line_no = l.line_no
                ORDER BY f.order_no, f.line_no, f.at, f.event""",
            en="How many units of these lines were delivered or redeemed, and when, as the brand reported it or its tills did.",
            zh="这些订单行的发放与核销数量及时间，由品牌方上报或由核销终端产生。",
        ),
        Part(
            name="cards.csv",
            query=f"""SELECT {text("e.order_no")} AS order_no, {text("e.line_no")} AS line_no, e.batch, e.number AS card, e.change, {at("a.at")} AS at,
                e.from_state, e.to_state, a.kind, a.role, a.user_id, {text("a.note")} AS note
                FROM pack_line l JOIN card_event e ON e.brand_id = current_brand() AND e.order_no = l.order_no AND e.line_no = l.line_no
                JOIN stock_act a ON a.brand_id = e.brand_id AND a.id = e.act ORDER BY e.order_no, e.line_no, e.batch, e.number, e.change""",
            en="Each card of these lines, delivered, shown, redeemed or taken back: when, by whom and why. A card is its batch and number; its code is not here.",
            zh="这些订单行的每张卡券的发放、查看、核销与收回：时间、经办人与原因。卡券以批次与序号表示，不含卡密。",
        ),
        Part(
            name="redemptions.csv",
            query=f"""SELECT {text("c.order_no")} AS order_no, {text("c.line_no")} AS line_no, r.batch, r.number AS card, {at("r.at")} AS at, {text("t.store")} AS store,
                {text("t.name")} AS terminal, r.way, r.undone, {at("u.at")} AS undone_at, {text("u.reason")} AS reason
                FROM pack_line l JOIN card c ON c.brand_id = current_brand() AND c.order_no = l.order_no AND c.line_no = l.line_no
                JOIN redemption r ON r.brand_id = c.brand_id AND r.batch = c.batch AND r.number = c.number AND r.verdict = 'ok'
                JOIN terminal t ON t.brand_id = r.brand_id AND t.id = r.terminal
                LEFT JOIN redemption_undo u ON u.brand_id = r.brand_id AND u.redemption = r.id
                ORDER BY c.order_no, c.line_no, r.at, r.batch, r.number, r.id""",
            en="Where and when cards of these lines were redeemed, and what of that was undone.",
            zh="这些订单行的卡券在何时何地核销，以及撤销的记录。",
        ),
    ]


def _watched(money: Callable[[str], str]) -> list[Part]:
    return [
        Part(
            name="monthly_reports.csv",
            query=f"""SELECT {month("c.month")} AS month, {text("c.root")} AS root, c.heads, c.persons, c.most_heads, c.most_persons, m.policy, m.max_depth, m.paid_levels,
                {at("m.made_at")} AS made_at FROM pack_scope s JOIN compliance_month m ON m.brand_id = current_brand() AND m.month >= s.starts_on AND m.month < s.ends_on
                JOIN compliance_report c ON c.brand_id = m.brand_id AND c.month = m.month AND c.root = s.root ORDER BY c.month""",
            en="The monthly report of the root: heads under it and persons in its longest chain, the root included, at the end of the month and at most.",
            zh="该根节点的月度报告：其下人数与最长链条人数（均含本人），分别为月末数与当月最高数。",
        ),
        Part(
            name="self_purchases.csv",
            query=f"""SELECT {month("l.month")} AS month, {text("l.reseller")} AS reseller, l.lines, {money("l.whole")} AS net, l.own_lines, {money("l.own")} AS own_net,
                CASE WHEN l.whole > 0 THEN div(l.own * 1000000, l.whole) END AS share_ppm
                FROM (SELECT date_trunc('month', paid_on) AS month, reseller, count(*) AS lines, sum(net_minor) AS whole, count(*) FILTER (WHERE self_purchase) AS own_lines,
                             coalesce(sum(net_minor) FILTER (WHERE self_purchase), 0) AS own FROM pack_line GROUP BY 1, 2) l ORDER BY l.month, l.reseller""",
            en="How much of what each sold in a month went to itself or to those above it: that earns nothing, and more than 30 % is reviewed.",
            zh="每名分销商每月自购占比：自购不计酬，超过 30% 须复核。",
        ),
        Part(
            name="refused.csv",
            query=f"""SELECT {at("r.at")} AS at, r.user_id, r.role, r.action, {text("r.subject")} AS subject, r.after ->> 'code' AS code, {text("r.after::text")} AS facts
                FROM pack_scope s JOIN audit_record r ON r.brand_id = current_brand() AND r.action IN ({attempt.AMONG})
                 AND r.at >= s.starts_at AND r.at < s.ends_at ORDER BY r.at, r.id""",
            en="What the rules refused in the brand in the period, and who tried it.",
            zh="期间内品牌方被规则拒绝的操作及操作人。",
        ),
        Part(
            name="texts.csv",
            query=f"""SELECT t.id AS text, t.kind, {text("t.title_zh")} AS title_zh, {text("t.body_zh")} AS body_zh, {text("t.title_en")} AS title_en, {text("t.body_en")} AS body_en,
                t.starts_on, t.ends_on, {at("t.published_at")} AS published_at, t.published_by, {at("e.ended_at")} AS ended_at, e.ended_by
                FROM pack_scope s JOIN portal_text t ON t.brand_id = current_brand() AND t.starts_on < s.ends_on AND (t.ends_on IS NULL OR s.starts_on < t.ends_on)
                LEFT JOIN portal_text_end e ON e.brand_id = t.brand_id AND e.text = t.id WHERE e.ended_at IS NULL OR e.ended_at >= s.starts_at
                ORDER BY t.published_at, t.id""",
            en="What the brand told its resellers in the period.",
            zh="期间内品牌方向分销商展示的文字。",
        ),
    ]
