"""What a rule may not be, whatever it would pay: shapes that the law rules out, each with its clause and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qucheng.commission.plan_words import PlanRule
    from qucheng.identity.brand import Brand

PAYS_FOR_JOINING, ENTRY_FEE = "plan.pays_for_joining", "plan.entry_fee"
READS_DOWNLINES, DIFFERENTIAL = "plan.reads_downlines", "plan.differential"
LEVEL_EXCEEDED, OPINION_EXPIRED = "plan.level_exceeded", "plan.opinion_expired"
REGULATION = "禁止传销条例 (国务院令第444号) 第七条"
FEES = ("entry_fee", "deposit", "purchase", "right")


class Shape(NamedTuple):
    code: str
    rule: str
    clause: str
    zh: str
    en: str


def refused(rule: PlanRule, brand: Brand) -> Iterator[Shape]:
    """Everything for which the rule cannot be published."""
    if rule.event != "order":
        yield Shape(
            PAYS_FOR_JOINING,
            rule.code,
            f"{REGULATION}（一）",
            f"规则 {rule.code}：只有订单能产生佣金，不得因加入、邀请、注册或升档而付酬。",
            f"Rule {rule.code}: only an order earns; nothing is paid for joining, inviting, registering or moving up.",
        )
    if rule.kind in FEES:
        yield _fee(rule)
    if rule.kind == "team" or rule.reads != "own":
        yield Shape(
            READS_DOWNLINES,
            rule.code,
            f"{REGULATION}（三）",
            f"规则 {rule.code}：不得按发展的人数或他人的业绩付酬（团队计酬）。",
            f"Rule {rule.code}: nothing is paid by how many people were brought in, or on what others sell (team volume).",
        )
    if rule.kind in ("differential", "same_level"):
        zh, en = ("级差", "a differential override") if rule.kind == "differential" else ("平级奖", "a bonus between equals")
        yield Shape(
            DIFFERENTIAL,
            rule.code,
            f"{REGULATION}（三）",
            f"规则 {rule.code}：{zh}是按他人的业绩付酬。分级的差别用卖出者自己的比例或批发价表达。",
            f"Rule {rule.code}: {en} pays on what others sell. Say what tiers differ in as rates of the seller, or as wholesale prices.",
        )
    if rule.level is not None and rule.level > brand.max_levels:
        yield Shape(
            LEVEL_EXCEEDED,
            rule.code,
            f"{REGULATION}（三） · {brand.policy}, max_levels",
            f"规则 {rule.code}：第 {rule.level} 层得酬，而政策 {brand.policy} 只允许 {brand.max_levels} 层。",
            f"Rule {rule.code}: level {rule.level} would earn, and the policy {brand.policy} lets {brand.max_levels} earn on a sale.",
        )


def _fee(rule: PlanRule) -> Shape:
    if rule.kind == "right":
        zh, en = "购买商品不得带来分销资格", "no product gives the right to distribute"
    else:
        zh = "加入、分级或身份不得以费用、押金或购买为条件"
        en = "joining, a tier or a rank costs no fee, no deposit and no purchase"
    return Shape(ENTRY_FEE, rule.code, f"{REGULATION}（二）", f"规则 {rule.code}：{zh}。", f"Rule {rule.code}: {en}.")


def uncovered(rule: PlanRule, brand: Brand) -> Shape:
    """A rule above the seller, on a day that no legal opinion covers."""
    return Shape(
        OPINION_EXPIRED,
        rule.code,
        f"{REGULATION}（三） · {brand.policy}, legal_opinion",
        f"规则 {rule.code}：方案生效时没有有效的法律意见，第 {rule.level} 层不能得酬。",
        f"Rule {rule.code}: when the plan takes effect no legal opinion covers it, so level {rule.level} cannot earn.",
    )
