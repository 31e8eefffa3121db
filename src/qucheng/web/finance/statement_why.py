"""Why an amount on a statement is what it is: the rules that brought an article's sum, or the life of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.core import money
from qucheng.insight import explain, explain_words
from qucheng.settlement import statement_rows
from qucheng.web import pages
from qucheng.web.finance import facts
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from litestar import Request

    from qucheng.identity.brand import Brand
    from qucheng.settlement.queries import Statement
    from qucheng.web import texts

BASES = {
    "net": n_("What buyers paid"),
    "gross": n_("List value"),
    "margin": n_("Margin"),
    "unit": n_("Quantity"),
}


class Term(msgspec.Struct, frozen=True):
    """One box of the reckoning, with the sign before it."""

    sign: str
    label: str
    value: str
    note: str
    result: bool = False


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """formulas: a row of boxes each. lines: how deep, and the sentence."""

    amount: str
    formulas: tuple[tuple[Term, ...], ...]
    lines: tuple[tuple[int, str], ...]


async def of(request: Request[Any, Any, Any], brand: Brand, statement: Statement, asked: str, group: str) -> Why | None:
    """asked: an article's code, or the number of a row. None where there is nothing of that name on the statement."""
    words = pages.words(request)
    if group == "article" and asked:
        return await _article(words, brand, statement, asked)
    if asked.isascii() and asked.isdigit() and len(asked) <= facts.MOST_DIGITS:
        row = await statement_rows.row(brand=brand, statement=statement, position=int(asked))
        return await _row(words, brand, statement, row) if row is not None else None
    return None


async def _article(words: texts.Texts, brand: Brand, statement: Statement, sku: str) -> Why | None:
    shares = await statement_rows.shares_of_article(brand=brand, statement=statement, sku=sku)
    if not shares:
        return None
    total = sum(share.accrued_minor + share.reversed_minor for share in shares)
    return Why(
        amount=facts.figure(brand, total),
        formulas=tuple(_share(words, brand, share) for share in shares),
        lines=tuple((0, words.gettext(sentence)) for sentence in ALWAYS),
    )


ALWAYS = (
    n_("Each sale is reckoned and rounded to the minor unit by itself, and then they are added up."),
    n_("The basis stands in the rule; tier, category and cost are those of the day on which the sale was paid."),
    n_("Commission comes from sales only. Nothing here is earned by recruiting."),
)


def _share(words: texts.Texts, brand: Brand, share: statement_rows.Share) -> tuple[Term, ...]:
    sales = words.ngettext("%(n)s sale", "%(n)s sales", share.sales) % {"n": share.sales}
    basis = str(share.basis_value) if share.basis == "unit" else _amount(brand, share.basis_value)
    terms = [
        Term("", words.gettext(BASES[share.basis]), basis, sales),
        Term(
            "×", words.gettext("Rate"), rate(share.basis, share.rate_text), words.gettext("rule %(code)s") % {"code": share.rule}
        ),
    ]
    if share.reversals:
        terms.append(
            Term(
                money.MINUS,
                words.gettext("Taken back"),
                _amount(brand, -share.reversed_minor),
                words.ngettext("%(n)s refund", "%(n)s refunds", share.reversals) % {"n": share.reversals},
            )
        )
    result = share.accrued_minor + share.reversed_minor
    level = words.gettext("paid level %(level)s") % {"level": share.level}
    return (*terms, Term("=", words.gettext("Commission"), _amount(brand, result), level, result=True))


async def _row(words: texts.Texts, brand: Brand, statement: Statement, row: statement_rows.Row) -> Why | None:
    """None for a bonus of a draft: it comes to be when it is issued."""
    code = row.code
    if row.kind == "bonus" and statement.draft is not None:
        return None
    if row.kind == "bonus":
        code = f"bonus/{statement.reseller}/{row.rule}/{row.of_period:%Y-%m}/{statement.period:%Y-%m}"
    life = await explain.explain(brand=brand, entry=code)
    told = explain_words.tell(life, brand=brand, language="zh" if words.chinese else "en")
    return Why(
        amount=facts.figure(brand, row.amount_minor),
        formulas=tuple(_step(words, brand, life, row)) if isinstance(life, explain.LineLife) else (),
        lines=tuple(((len(line) - len(line.lstrip())) // 2, line.strip()) for line in told),
    )


def _step(words: texts.Texts, brand: Brand, life: explain.LineLife, row: statement_rows.Row) -> list[tuple[Term, ...]]:
    """Of the state of the line that made the row."""
    for level in life.levels:
        for step in level.steps:
            refund = step.state.refund.refund_no if step.state.refund else None
            if (level.level, refund) != (row.level, row.refund_no):
                continue
            rule = step.share.rule
            value = explain_words.plain(step.share.basis)
            if rule.basis != "unit" and step.share.basis.denominator == 1:
                value = _amount(brand, step.share.basis.numerator)
            cap = words.gettext("after the cap on the sale") if step.pricing.capped else words.gettext("rounded half up")
            terms = [
                Term("", words.gettext(BASES[rule.basis]), value, words.gettext("of what is left") if refund else ""),
                Term(
                    "×",
                    words.gettext("Rate"),
                    rate(rule.basis, rule.rate_text),
                    words.gettext("rule %(code)s") % {"code": rule.code},
                ),
                Term("=", words.gettext("Earned"), _amount(brand, step.after), cap, result=refund is None),
            ]
            if refund is not None:
                change = step.after - step.before
                terms += [
                    Term(money.MINUS, words.gettext("Earned before"), _amount(brand, step.before), ""),
                    Term("=", words.gettext("Taken back"), _amount(brand, change), refund, result=True),
                ]
            return [tuple(terms)]
    return []


def rate(basis: str, text: str) -> str:
    """As people read it: `6.00%`; money per unit as it is."""
    if basis == "unit" or ":" in text:
        return text
    percent = money.format_plain(money.parse_plain(text, 6), 4)
    return f"{percent[:-2]}{percent[-2:].rstrip('0')}%"


def _amount(brand: Brand, minor: int) -> str:
    return money.format_display(minor, brand.decimals)
