"""The life of a figure as lines of text, each deeper fact further in."""

from __future__ import annotations

import zoneinfo
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from qucheng.core import money
from qucheng.insight import explain, explain_bonus, explain_texts, rules

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from qucheng.identity.brand import Brand
    from qucheng.insight import queries

Language = Literal["zh", "en"]
PARTS_SHOWN = 20
MONTH = "%Y-%m"


def tell(life: explain.Life, *, brand: Brand, language: Language | None = None) -> list[str]:
    """The lines to print, in the language of the brand unless another is asked for."""
    teller = _Teller(brand, language or ("en" if brand.locale == "en" else "zh"))
    if isinstance(life, explain.LineLife):
        teller.line(life)
    elif isinstance(life, explain_bonus.BonusLife):
        teller.bonus(life)
    elif isinstance(life, explain.AdjustmentLife):
        teller.adjustment(life)
    else:
        teller.statement(life)
    return teller.lines


class _Teller:
    """Writes lines in one language; amounts in major units of the brand's currency."""

    def __init__(self, brand: Brand, language: Language) -> None:
        self.brand = brand
        self.which = 0 if language == "zh" else 1
        self.comma = "，" if language == "zh" else ", "
        self.zone = zoneinfo.ZoneInfo(brand.time_zone)
        self.lines: list[str] = []

    def say(self, depth: int, sentence: str, **facts: object) -> None:
        self.lines.append("  " * depth + self.text(sentence, **facts))

    def text(self, sentence: str, **facts: object) -> str:
        return explain_texts.SENTENCES[sentence][self.which].format(**facts)

    def money(self, minor: int) -> str:
        return money.format_plain(minor, self.brand.decimals)

    def exact(self, value: Fraction) -> str:
        """The major units of an amount in minor ones: a decimal where it ends, else its first digits and the fraction."""
        major = value * Fraction(1, 10**self.brand.decimals)
        text = plain(major)
        if "/" not in text:
            return text
        digits = money.format_plain(abs(major.numerator) * 10**6 // major.denominator, 6)
        return f"{'-' if major < 0 else ''}{digits}… ({text})"

    def at(self, instant: dt.datetime) -> str:
        local = instant.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S} {self.brand.time_zone} ({instant:%Y-%m-%dT%H:%M:%SZ})"

    # an order line

    def line(self, life: explain.LineLife) -> None:
        line = life.line
        self.say(0, "line", code=f"{line.order_no}/{line.line_no}")
        self.say(1, "paid", at=self.at(line.paid_at))
        self.say(1, "seller", reseller=line.reseller, tier=line.tier, channel=line.channel)
        for reseller, tier in line.chain[1:]:
            self.say(2, "above", reseller=reseller, tier=tier)
        self.say(1, "sku", sku=line.sku, category=line.category, cost=self.money(line.cost_minor))
        amounts = {"gross": line.gross_minor, "discount": line.discount_minor, "net": line.net_minor}
        self.say(1, "sum", quantity=line.quantity, **{name: self.money(minor) for name, minor in amounts.items()})
        if not line.accrued:
            self.say(1, "not_accrued")
        for level in life.levels:
            self.level(life, level)
        for refund in life.waiting:
            self.say(1, "waiting_refund", refund=refund.refund_no)
        if line.accrued:
            self.verdict(life.disagreements)

    def level(self, life: explain.LineLife, level: explain.LevelLife) -> None:
        who = "level" if level.reseller is not None else "level_of_nobody"
        self.say(0, who, level=level.level, reseller=level.reseller, tier=level.tier)
        if level.nothing is not None:
            self.say(1, level.nothing, channel=life.line.channel, levels=life.max_levels)
        for verdict in level.verdicts:
            self.rule(1 if verdict.reason == "won" else 2, verdict)
        for step in level.steps:
            depth = 1
            if step.state.refund is not None:
                self.refund(step.state, step.state.refund)
                depth = 2
            self.reckoning(depth, life, step)
            self.outcome(depth, step)
            if step.entry is not None:
                self.clock(depth, life)
                self.place(depth, step.entry, life.last_closed, life.postings)

    def clock(self, depth: int, life: explain.LineLife) -> None:
        """From when the hold counts, where that is not the payment."""
        line = life.line
        if line.hold_from == "paid":
            return
        if line.started_at is None:
            self.say(depth, f"until_{line.hold_from}", days=self.brand.hold_days)
        else:
            self.say(depth, f"since_{line.hold_from}", at=self.at(line.started_at), days=self.brand.hold_days)

    def rule(self, depth: int, verdict: rules.Verdict) -> None:
        described = self.described(verdict.rule)
        if verdict.reason == "won":
            self.say(depth, "rule", rule=described)
            return
        reason = f"{verdict.reason}_lost" if verdict.reason in {"sku", "category", "channel", "tier"} else verdict.reason
        why = self.text(reason, here=verdict.here, there=verdict.there)
        self.say(depth, "beaten", rule=described, why=why)

    def described(self, rule: rules.Rule) -> str:
        basis = explain_texts.BASES[rule.basis][self.which]
        facts: list[tuple[str, dict[str, object]]] = [("kind", {"kind": f"{rule.kind} {basis}", "rate": rule.rate_text})]
        if rule.priority:
            facts.append(("priority", {"priority": rule.priority}))
        named = {name: getattr(rule, name) for name in ("sku", "category", "channel", "tier", "starts_on", "ends_on")}
        facts += [(name, {"value": value}) for name, value in named.items() if value is not None]
        inside = [explain_texts.RULE_FACTS[name][self.which].format(**values) for name, values in facts]
        return f"{rule.code} ({self.comma.join(inside)})"

    def refund(self, state: rules.State, refund: rules.Refund) -> None:
        self.say(
            1,
            "refund",
            refund=refund.refund_no,
            at=self.at(refund.refunded_at),
            quantity=refund.quantity,
            amount=self.money(refund.amount_minor),
            units=state.units,
            left=self.money(state.left_minor),
        )

    def reckoning(self, depth: int, life: explain.LineLife, step: explain.Step) -> None:
        """Basis, product, rounding and cap of the level in this state."""
        line, share, pricing, rule = life.line, step.share, step.pricing, step.share.rule
        amounts = {"gross": line.gross_minor, "net": line.net_minor, "left": step.state.left_minor, "cost": line.cost_minor}
        facts: dict[str, object] = {name: self.money(minor) for name, minor in amounts.items()}
        reckoning = explain_texts.RECKONINGS[rule.basis].format(units=step.state.units, **facts) if line.net_minor else ""
        value = plain(share.basis) if rule.basis == "unit" else self.exact(share.basis)
        if rule.basis != "unit" and share.basis.denominator == 1:
            value = self.money(share.basis.numerator)
        self.say(depth, "basis", basis=explain_texts.BASES[rule.basis][self.which], reckoning=reckoning, value=value)
        product, rounded = self.exact(share.product), self.money(share.rounded)
        self.say(depth, "product", basis=value, rate=rule.rate_text, product=product, rounded=rounded)
        cap = {"rate": plain(Fraction(life.cap_ppm, rules.MILLION)), "left": facts["left"], "cap": self.money(pricing.cap)}
        self.say(depth, "capped" if pricing.capped else "within", total=self.money(pricing.total), **cap)
        for each in pricing.shares if pricing.capped else ():
            parts = {"rounded": each.rounded, "total": pricing.total, "whole": each.whole, "amount": each.amount}
            said = {name: self.money(minor) for name, minor in parts.items()}
            self.say(depth + 1, "share", level=each.level, cap=cap["cap"], remainder=plain(each.remainder), **said)

    def outcome(self, depth: int, step: explain.Step) -> None:
        change = step.after - step.before
        if step.state.refund is None:
            self.say(depth, "accrual" if change else "no_accrual", amount=self.money(change))
            return
        said = {"before": self.money(step.before), "after": self.money(step.after), "amount": self.money(change)}
        self.say(depth, "reversal" if change else "no_reversal", **said)

    def place(self, depth: int, entry: queries.Entry, last_closed: dt.date | None, postings: Iterable[queries.Posting]) -> None:
        """When it matures, the statement it is on or waits for, and what that posts for its kind."""
        if entry.matures_at is None or entry.due is None:
            return
        self.say(depth, "matures", at=self.at(entry.matures_at))
        if entry.statement_no is not None and entry.period is not None:
            self.say(depth, "on_statement", statement=entry.statement_no, month=f"{entry.period:{MONTH}}")
            self.journal(depth, f"{entry.statement_no}/{entry.kind}", postings)
        elif last_closed is not None and entry.due <= last_closed:
            self.say(depth, "waits_for_next", month=f"{entry.due:{MONTH}}")
        else:
            self.say(depth, "waits_for_month", month=f"{entry.due:{MONTH}}")

    def journal(self, depth: int, code: str, postings: Iterable[queries.Posting]) -> None:
        legs = [
            self.text(
                "debit" if each.debit_minor else "credit",
                account=each.account,
                amount=self.money(each.debit_minor or each.credit_minor),
            )
            for each in postings
            if each.entry == code
        ]
        if legs:
            self.say(depth, "journal", entry=code, legs=self.comma.join(legs))

    def verdict(self, disagreements: tuple[explain_bonus.Disagreement, ...]) -> None:
        for each in disagreements:
            said = {name: self.told(each.field, getattr(each, name)) for name in ("computed", "stored")}
            self.say(0, "differs", entry=each.entry, field=each.field, **said)
        if not disagreements:
            self.say(0, "agrees")

    def told(self, field: str, value: str) -> str:
        return self.money(int(value)) if field == "amount_minor" else value

    # a bonus

    def bonus(self, life: explain_bonus.BonusLife) -> None:
        self.say(0, "bonus", reseller=life.reseller, rule=life.rule.code, month=f"{life.of_period:{MONTH}}")
        self.say(1, "bonus_rule", rule=self.described(life.rule))
        if not life.steps:
            self.say(1, "no_volume")
        for step in life.steps:
            if step.period is None:
                self.say(1, "known_later")
            else:
                self.say(1, "known", month=f"{step.period:{MONTH}}")
            self.parts(step.parts, life.rule)
            self.say(2, "volume", volume=self.counted(Fraction(step.volume), life.rule))
            for each in step.slices:
                self.slice(each, life.rule)
            change = step.earned - step.before
            said = {"earned": self.money(step.earned), "before": self.money(step.before), "amount": self.money(change)}
            self.say(2, "bonus_change" if change else "no_bonus", **said)
            if step.entry is not None:
                self.place(2, step.entry, None, life.postings)
        self.verdict(life.disagreements)

    def counted(self, value: Fraction, rule: rules.Rule) -> str:
        if rule.basis == "unit":
            return plain(value)
        return self.money(value.numerator) if value.denominator == 1 else self.exact(value)

    def parts(self, parts: tuple[explain_bonus.Part, ...], rule: rules.Rule) -> None:
        for part in parts[:PARTS_SHOWN]:
            code = "/".join(each for each in (part.order_no, part.line_no, part.refund_no) if each is not None)
            self.say(2, "part", code=code, value=self.counted(part.value, rule))
        rest = parts[PARTS_SHOWN:]
        if rest:
            value = sum((part.value for part in rest), Fraction(0))
            self.say(2, "more_parts", count=len(rest), value=self.counted(value, rule))

    def slice(self, each: rules.Slice, rule: rules.Rule) -> None:
        if not each.part:
            return
        since, part = (self.counted(Fraction(value), rule) for value in (each.from_value, each.part))
        until = self.counted(Fraction(each.until), rule) if each.until is not None else ""
        rate = self.exact(each.rate) if rule.basis == "unit" else plain(each.rate)
        sentence = "slice" if each.until is not None else "highest_slice"
        self.say(3, sentence, since=since, until=until, part=part, rate=rate, product=self.exact(each.product))

    # an adjustment, a statement

    def adjustment(self, life: explain.AdjustmentLife) -> None:
        found = life.adjustment
        self.say(0, "adjustment", code=found.code, reseller=found.reseller, amount=self.money(found.amount_minor))
        self.say(1, "occurred", at=self.at(found.occurred_at))
        self.say(1, "reason", reason=found.reason)
        self.place(1, life.entry, life.last_closed, life.postings)

    def statement(self, life: explain.StatementLife) -> None:
        found = life.statement
        self.say(0, "statement", statement=found.statement_no, reseller=found.reseller, month=f"{found.period:{MONTH}}")
        if life.only is None:
            self.say(1, "opening", amount=self.money(found.opening_minor))
        for kind in explain.KINDS:
            self.entries(life, kind)
        if life.only is None:
            self.say(1, "gross", amount=self.money(found.gross_minor))
        if life.only in {None, "withholding", "payout"}:
            names = ("opening", "gross", "payable", "tax", "net")
            said = {name: self.money(getattr(found, f"{name}_minor")) for name in names}
            self.say(1, "payable", **said)
            if found.net_minor or found.tax_minor:
                self.say(1, "net", **said)
            carried = found.carried_minor
            why = "carried" if not carried else "carried_small" if carried > 0 else "carried_negative"
            self.say(1, why, amount=self.money(carried), least=self.money(self.brand.min_payout_minor))
        for code in dict.fromkeys(each.entry for each in life.postings):
            self.journal(1, code, life.postings)
        self.verdict(life.disagreements)

    def entries(self, life: explain.StatementLife, kind: str) -> None:
        count, amount = life.sums.get(kind, (0, 0))
        if not count or life.only not in {None, kind}:
            return
        self.say(1, f"{kind}_sum", amount=self.money(amount), count=count)
        shown = [each for each in life.entries if each.kind == kind]
        for each in shown:
            self.say(2, "part", code=each.code, value=self.money(each.amount_minor))
        if count > len(shown):
            self.say(2, "more_entries", count=count - len(shown))


def plain(value: Fraction) -> str:
    """A decimal in its shortest form where it ends, else numerator/denominator."""
    twos = fives = 0
    rest = value.denominator
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    return money.format_plain(value.numerator * 10**places // value.denominator, places)
