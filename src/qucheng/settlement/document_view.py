"""A statement as words and figures, ready to be set: what `statement.html` lays out. Pure; formatting happens here and in
`document_tables`, and nowhere else.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from qucheng.core import money
from qucheng.settlement import document_reasons, document_tables, document_widths

if TYPE_CHECKING:
    from collections.abc import Callable

    from qucheng.settlement.document import StatementDocument
    from qucheng.settlement.document_texts import Texts

_LONG_NAME = 24
_RUN_TENTHS = 75
_RUN_PERCENT = 38
"""Size of the running totals in tenths of a point, and their share of the page (statement.css)."""
_SMALLER = {"s": 16, "m": 12}


class Term(NamedTuple):
    """A row of the sum: operator, name, explanation, amount. `result` rows are what the rows above add up to."""

    sign: str
    name: str
    why: str
    amount: str
    negative: bool
    result: bool
    minor: int


class View:
    """`printable` makes any text safe to set (see `document_fonts`); everything a person typed passes through it."""

    def __init__(self, document: StatementDocument, texts: Texts, printable: Callable[[str], str]) -> None:
        self.document = document
        self.texts = texts
        self.brand = printable(document.brand_name)
        self.reseller = printable(document.reseller_name)
        self.tier = printable(document.tier_name)
        self._printable = printable

    @functools.cached_property
    def tables(self) -> list[document_tables.Table]:
        return document_tables.Tables(self.document, self.texts, self._printable).all()

    @functools.cached_property
    def notes(self) -> list[str]:
        return document_reasons.notes(self.document, self.texts)

    def money(self, minor: int) -> str:
        return money.format_display(minor, self.document.decimals)

    def long(self, name: str) -> bool:
        return len(name) > _LONG_NAME

    @property
    def capitals(self) -> str:
        return money.rmb_capitals(self.document.net) if self.document.currency == "CNY" else ""

    @property
    def big(self) -> str:
        """A class that makes room for the one amount that is set large."""
        return next((f" {name}" for name, length in _SMALLER.items() if len(self.money(self.document.net)) > length), "")

    @property
    def wide(self) -> bool:
        """The running totals need more room than the page number leaves them in the middle."""
        longest = max((row.run for table in self.tables for row in table.rows), key=len, default="")
        run = document_widths.width(f"{self.texts.gettext('brought forward')}   {longest}")
        return run * document_widths.PT * _RUN_TENTHS // 10_000 > document_widths.PAGE * _RUN_PERCENT // 100

    @property
    def kind_and_tier(self) -> str:
        gettext = self.texts.gettext
        kind = gettext("Individual") if self.document.reseller_kind == "individual" else gettext("Company")
        return gettext("%(kind)s, %(tier)s") % {"kind": kind, "tier": self.tier}

    def terms(self) -> list[Term]:
        """The sum that proves itself: every row is the one above it, plus or minus what its sign says, down to what is paid."""
        d, t, counts = self.document, self.texts, self.document.counts
        accruals = t.number(t.ngettext("%(n)s line", "%(n)s lines", counts.accruals), counts.accruals)
        reversals = t.number(t.ngettext("%(n)s refund entry", "%(n)s refund entries", counts.reversals), counts.reversals)
        bonuses = t.number(t.ngettext("%(n)s entry", "%(n)s entries", counts.bonuses), counts.bonuses)
        adjustments = t.number(t.ngettext("%(n)s entry", "%(n)s entries", counts.adjustments), counts.adjustments)
        opening = t.gettext("from the previous statement") if d.opening else ""
        return [
            self._term("", t.gettext("Brought forward"), opening, d.opening),
            self._term("+", t.gettext("Accrued"), accruals, d.accrued),
            self._term("+", t.gettext("Reversed"), reversals, d.reversed),
            self._term("+", t.gettext("Own-volume bonus"), bonuses, d.bonus),
            self._term("+", t.gettext("Adjustments"), adjustments, d.adjustment),
            self._term("=", t.gettext("Payable this period"), "", d.payable),
            self._term("−", t.gettext("Tax withheld"), document_reasons.tax(d, t, self.money), d.tax),
            self._term("−", t.gettext("Carried to the next period"), document_reasons.carried(d, t, self.money), d.carried),
            self._term("=", t.gettext("Paid"), "", d.net),
        ]

    def _term(self, sign: str, name: str, why: str, amount: int) -> Term:
        return Term(sign, name, why, self.money(amount), amount < 0, sign == "=", amount)
