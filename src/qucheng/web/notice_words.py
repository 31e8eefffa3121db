"""What a notification says, in the reader's language, and the page that it leads to: for the page of notifications and for letters."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib import parse

import msgspec

from qucheng.core import money
from qucheng.web import named_words
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qucheng.identity.notification_settings import Kind
    from qucheng.web import texts

LABELS: dict[Kind, str] = {
    "approval.waiting": n_("Requests that wait for you"),
    "approval.decided": n_("Answers to your requests"),
    "application.received": n_("Applications of resellers"),
    "dispute.opened": n_("Disputed statements"),
    "plan.published": n_("New commission plans"),
    "task.failed": n_("Background work that failed"),
    "webhook.disabled": n_("Webhooks that were switched off"),
    "stock.low": n_("Stock that runs low"),
    "stock.expiring": n_("Cards that expire soon"),
    "risk.found": n_("New risks"),
    "statement.published": n_("New statements"),
    "dispute.decided": n_("Answers to disputes"),
    "price.change": n_("Price changes"),
    "agreement.published": n_("New agreements"),
}
DRAWINGS: dict[Kind, str] = {
    "approval.waiting": "hourglass",
    "approval.decided": "badge-check",
    "application.received": "signature",
    "dispute.opened": "message-circle-question-mark",
    "plan.published": "percent",
    "task.failed": "circle-x",
    "webhook.disabled": "webhook",
    "stock.low": "layers",
    "stock.expiring": "hourglass",
    "risk.found": "triangle-alert",
    "statement.published": "file-text",
    "dispute.decided": "message-circle-question-mark",
    "price.change": "tags",
    "agreement.published": "scale",
}
TASKS = {
    "settlement.settle": n_("Settlement"),
    "settlement.issue": n_("Issuing of a run"),
    "document.render": n_("Making of documents"),
    "books.check": n_("Check of the books"),
    "mail.send": n_("Letter"),
}
# by kind, and by what was decided where that is said
SENTENCES = {
    "approval.waiting": n_("Waits for your decision: %(what)s"),
    "approval.decided approved": n_("Approved: %(what)s"),
    "approval.decided rejected": n_("Rejected: %(what)s"),
    "application.received": n_("Somebody applies to become a reseller"),
    "dispute.opened": n_("%(reseller)s disputes a row of statement %(number)s"),
    "dispute.decided rejected": n_("Your dispute about statement %(number)s was answered"),
    "dispute.decided adjusted": n_("Your dispute about statement %(number)s was answered by an adjustment"),
    "plan.published": n_("Commission plan %(number)s is in force from %(day)s"),
    "task.failed": n_("Failed and not tried again: %(what)s"),
    "webhook.disabled": n_("Webhooks to %(host)s are switched off: the receiver answered that it is gone"),
    "statement.published": n_("Your statement for %(month)s is there: %(number)s"),
    "agreement.published": n_("Version %(number)s of the agreement, in force from %(day)s, is to be accepted"),
}
# of several at once, in one notification
COUNTED: set[Kind] = {"price.change", "stock.low", "stock.expiring", "risk.found"}
# under which each has a page of its own
OF_SUBJECT: dict[Kind, str] = {
    "approval.waiting": "/approvals",
    "approval.decided": "/approvals",
    "dispute.opened": "/disputes",
    "application.received": "/applications",
}
PAGES: dict[Kind, str] = {
    "stock.low": "/pools?level=low",
    "stock.expiring": "/pools",
    "risk.found": "/risks",
    "price.change": "/portal/products?changes=1",
    "plan.published": "/plans",
    "webhook.disabled": "/webhooks",
    "agreement.published": "/portal/agreements",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """title: the sentence. rows: what belongs under it. address: of the page, None where there is none."""

    title: str
    rows: list[str]
    address: str | None


def line(kind: Kind, subject: str, values: Mapping[str, Any], decimals: int, words: texts.Texts) -> Line:
    return Line(
        title=_title(kind, values, words), rows=_rows(kind, values, decimals, words), address=_address(kind, subject, values)
    )


def _title(kind: Kind, values: Mapping[str, Any], words: texts.Texts) -> str:
    places = _places(values, words)
    if kind in COUNTED:
        return _counted(kind, values["count"], words) % {"num": values["count"], **places}
    decided = values.get("state")
    sentence = SENTENCES[f"{kind} {decided}" if decided else kind]
    return words.gettext(sentence) % places


def _counted(kind: Kind, count: int, words: texts.Texts) -> str:
    if kind == "stock.low":
        return words.ngettext("%(num)s pool runs low", "%(num)s pools run low", count)
    if kind == "stock.expiring":
        return words.ngettext("Cards in %(num)s pool expire soon", "Cards in %(num)s pools expire soon", count)
    if kind == "risk.found":
        return words.ngettext("%(num)s new risk was found", "%(num)s new risks were found", count)
    return words.ngettext("%(num)s price changes on %(day)s", "%(num)s prices change on %(day)s", count)


def _places(values: Mapping[str, Any], words: texts.Texts) -> dict[str, object]:
    """What stands in the sentences, of what is said."""
    day, month = [dt.date.fromisoformat(values[name]) if name in values else None for name in ("effective_on", "period")]
    return {
        "what": _what(values, words),
        "reseller": values.get("reseller", ""),
        "host": values.get("host", ""),
        "number": values.get("statement_no", values.get("version", "")),
        "day": words.day(day) if day else "",
        "month": (f"{month.year} 年 {month.month} 月" if words.chinese else f"{month:%B %Y}") if month else "",
    }


def _what(values: Mapping[str, Any], words: texts.Texts) -> str:
    """An action that is asked for, or a task, by its name where it has one; of a task also whose it was."""
    name = values.get("action", values.get("task", ""))
    sentence = named_words.ACTIONS.get(name, TASKS.get(name))
    named = words.gettext(sentence) if sentence else str(name)
    return f"{named} · {values['brand']}" if "task" in values and values.get("brand") else named


def _rows(kind: Kind, values: Mapping[str, Any], decimals: int, words: texts.Texts) -> list[str]:
    """Of a price change: each article with the old and the new price; of alerts: each; of what an operator decides: whose it is."""
    if kind == "approval.waiting" and values.get("brand"):
        return [str(values["brand"])]
    if kind not in COUNTED:
        return []
    if kind == "price.change":
        rows = [_change(each, decimals, words) for each in values["changes"]]
    elif kind == "risk.found":
        rows = [_risk(each, words) for each in values["alerts"]]
    else:
        rows = [_stock(each, words) for each in values["alerts"]]
    left = values["count"] - len(rows)
    return [*rows, more(left, words)] if left > 0 else rows


def _risk(alert: Mapping[str, Any], words: texts.Texts) -> str:
    label = named_words.RULES[alert["rule"]]
    named = words.gettext(label)
    return f"{named} · {alert['reseller']}" if alert["reseller"] else named


def _stock(alert: Mapping[str, Any], words: texts.Texts) -> str:
    """The article, whose pool, how many are left, and of those that expire until when."""
    owner = " · ".join(filter(None, (alert["reseller"], alert["channel"]))) or words.gettext("Not allocated")
    cards = alert["cards"]
    named = {"what": f"{alert['sku']} · {owner}", "num": cards}
    if not alert["expires_on"]:
        return words.ngettext("%(what)s: %(num)s card left", "%(what)s: %(num)s cards left", cards) % named
    sentence = words.ngettext(
        "%(what)s: %(num)s card, the first until %(day)s", "%(what)s: %(num)s cards, the first until %(day)s", cards
    )
    return sentence % {**named, "day": words.day(dt.date.fromisoformat(alert["expires_on"]))}


def more(count: int, words: texts.Texts) -> str:
    return words.gettext(n_("and %(num)s others")) % {"num": count}


def _change(change: Mapping[str, Any], decimals: int, words: texts.Texts) -> str:
    old, new = [
        None if minor is None else money.format_display(minor, decimals) for minor in (change["old_minor"], change["new_minor"])
    ]
    what = f"{change['name']} · {change['channel']}"
    if new is None:
        return words.gettext(n_("%(what)s: no longer sold there")) % {"what": what}
    if old is None:
        return words.gettext(n_("%(what)s: now sold there, %(new)s")) % {"what": what, "new": new}
    return words.gettext(n_("%(what)s: %(old)s → %(new)s")) % {"what": what, "old": old, "new": new}


def _address(kind: Kind, subject: str, values: Mapping[str, Any]) -> str | None:
    if kind in {"statement.published", "dispute.decided"}:
        return f"/portal/statements/{parse.quote(values['statement_no'], safe='')}"
    if kind in OF_SUBJECT:
        return f"{OF_SUBJECT[kind]}/{subject}"
    if kind in {"stock.low", "stock.expiring"} and values["count"] == 1:
        return f"/pools/{values['alerts'][0]['pool']}"
    if kind == "risk.found" and values["count"] == 1:
        return f"/risks/{subject}"
    return PAGES.get(kind)
