"""The sentences of a statement that depend on the case: why tax and carry-over are what they are, and the notes at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.settlement import document

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from qucheng.settlement.document import StatementDocument
    from qucheng.settlement.document_texts import Texts


def rest_from(doc: StatementDocument) -> dt.date:
    return document.rest_from(doc.first_day)


def is_paid(doc: StatementDocument) -> bool:
    return doc.payable > 0 and doc.payable >= doc.min_payout


def tax(doc: StatementDocument, texts: Texts, money: Callable[[int], str]) -> str:
    gettext, how = texts.gettext, doc.withholding
    if not is_paid(doc):
        return gettext("nothing is paid, so nothing is withheld")
    if doc.reseller_kind == "company":
        return gettext("companies declare their own tax; nothing is withheld")
    if how.scheme == "none":
        return gettext("the payer withholds nothing")
    if how.income is None or how.withheld is None:
        labor, platform = gettext("labour income, per month"), gettext("platform income, cumulative over the year")
        return labor if how.scheme == "cn-labor" else platform
    facts = {"income": money(how.income), "withheld": money(how.withheld), "months": how.months or 1}
    if how.scheme == "cn-labor":
        return gettext("labour income of the month %(income)s, withheld before %(withheld)s") % facts
    return (
        texts.ngettext(
            "income of the year %(income)s over %(months)s month, withheld before %(withheld)s",
            "income of the year %(income)s over %(months)s months, withheld before %(withheld)s",
            how.months or 1,
        )
        % facts
    )


def carried(doc: StatementDocument, texts: Texts, money: Callable[[int], str]) -> str:
    gettext = texts.gettext
    if is_paid(doc):
        return gettext("everything is paid")
    if doc.payable == 0:
        return gettext("nothing is left")
    if doc.payable < 0:
        return gettext("less than zero: set off against later commission")
    return gettext("below the least payout of %(least)s") % {"least": money(doc.min_payout)}


def notes(doc: StatementDocument, texts: Texts) -> list[str]:
    gettext = texts.gettext
    found = [
        texts.join(
            gettext(
                "Commission is basis × rate, rounded half up once for each line, or less where the cap on a line's commission applies."
            ),
            gettext("A refund line takes back what the line has earned too much; its basis is what is left after the refund."),
        ),
        _only_sales(doc, texts),
        _when(doc, texts),
        texts.join(
            gettext("To dispute a figure, give the payer the statement number and the order or code of the row."),
            gettext("A closed statement never changes: a correction stands on a later one and refers to what it corrects."),
        ),
        _attached(doc, texts),
    ]
    if doc.reseller_kind == "individual" and doc.withholding.scheme != "none":
        found.append(_method(doc, texts))
    return found


def _only_sales(doc: StatementDocument, texts: Texts) -> str:
    gettext = texts.gettext
    return texts.join(
        gettext("Commission comes from real sales only and never from the number of people recruited."),
        gettext("Only the seller of a sale earns on it.")
        if doc.max_levels == 1
        else gettext("At most %(levels)s resellers earn on one sale.") % {"levels": doc.max_levels},
        gettext("The depth cap is %(depth)s.") % {"depth": doc.max_depth},
    )


def _when(doc: StatementDocument, texts: Texts) -> str:
    settled = texts.ngettext(
        "A sale is settled in the period in which %(days)s day has passed since it was paid.",
        "A sale is settled in the period in which %(days)s days have passed since it was paid.",
        doc.hold_days,
    )
    return texts.join(
        settled % {"days": doc.hold_days}
        if doc.hold_days
        else texts.gettext("A sale is settled in the period in which it is paid."),
        texts.gettext(
            "Of articles that are held until they are delivered or redeemed, the last unit's counts instead of the payment."
        )
        if doc.held
        else "",
        texts.gettext("A refund after the payout is taken back in a later period."),
    )


def _attached(doc: StatementDocument, texts: Texts) -> str:
    gettext, counts = texts.gettext, doc.counts
    entries = counts.accruals + counts.reversals + counts.bonuses + counts.adjustments
    text = texts.ngettext(
        "Attached to this PDF: this statement as JSON, and its %(n)s entry as CSV, from which every sum above can be added up again.",
        "Attached to this PDF: this statement as JSON, and its %(n)s entries as CSV, from which every sum above can be added up again.",
        entries,
    )
    return texts.join(
        text % {"n": texts.count(entries)},
        gettext("The CSV numbers the lines that are listed here; those without a number are summed by day.")
        if doc.days_rest
        else "",
        gettext("Dates are local to %(zone)s.") % {"zone": doc.time_zone},
    )


def _method(doc: StatementDocument, texts: Texts) -> str:
    if doc.withholding.scheme == "cn-labor":
        return texts.gettext(
            "Tax: all that is paid to one person in a calendar month is one payment; withheld is the tax on it, less what was already "
            "withheld in the month."
        )
    return texts.gettext(
        "Tax: cumulative over the calendar year; withheld is the tax on the year's income so far, less what was already withheld."
    )
