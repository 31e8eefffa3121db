"""What needs attention: one list with the next step of each, and the notes of those who have looked."""

from __future__ import annotations

from typing import Any
from urllib import parse

import msgspec
from litestar import Request, Response, get, post

from qucheng.core import clock
from qucheng.identity.brand import Brand
from qucheng.insight import exceptions
from qucheng.web import auth, guards, pages, refusals, texts
from qucheng.web.finance import adjustments, books, desk
from qucheng.web.texts import n_

LIST, REVIEW = "/exceptions", "/exceptions/review"
RESOLVES = "exceptions.resolve"
ADJUSTS = "adjustments.request"


class Words(msgspec.Struct, frozen=True):
    """What is said of a kind. address: of its page, with the link of what it is in the place of {}; step: what is to be done there."""

    title: str
    drawing: str
    sentence: str
    address: str | None
    step: str


WORDS: dict[exceptions.Kind, Words] = {
    "books.differ": Words(
        n_("The books don't agree"),
        "circle-x",
        n_("Differences that the nightly check found: %(differences)s, the first at %(first)s. An operator looks into it before anything is paid."),
        None,
        "",
    ),
    "run.differs": Words(
        n_("Runs that differ"),
        "scale",
        n_("%(month)s: resellers whose three sides differ: %(resellers)s. The run can't be approved."),
        "/runs/{}",
        n_("See the check"),
    ),
    "task.dead": Words(
        n_("Work that was given up"), "zap", n_("%(kind)s was tried several times and given up. An operator starts it again."), None, ""
    ),
    "delivery.refused": Words(
        n_("Deliveries that were not taken"), "upload", n_("%(file)s was not taken, and nothing of it is in the books."), "/uploads/{}", n_("See why")
    ),
    "delivery.partial": Words(
        n_("Rows that were not taken"), "file-spreadsheet", n_("Rows of %(file)s that were not taken: %(rows)s."), "/uploads/{}", n_("See the rows")
    ),
    "document.failed": Words(
        n_("Documents that could not be made"), "file-text", n_("%(month)s: documents that could not be made: %(documents)s."), "/runs/{}", n_("Open the run")
    ),
    "dispute.open": Words(
        n_("Open disputes"), "message-circle-question-mark", n_("%(name)s disputes a row of %(statement)s."), "/disputes/{}", n_("Answer")
    ),
    "approval.waiting": Words(n_("Requests that wait"), "badge-check", n_("%(what)s awaits approval."), "/approvals/{}", n_("Decide")),
    "stock.short": Words(
        n_("Orders without stock"),
        "hourglass",
        n_("Order %(order)s, sold by %(name)s, was paid for and waits for cards of %(sku)s. Units: %(units)s."),
        "/orders/{}",
        n_("See the order"),
    ),
    "stock.exceeds": Words(
        n_("Cards that did not come back"),
        "ticket",
        n_("Order %(order)s, sold by %(name)s: more was refunded than cards came back, for some were used. Cards missing: %(units)s."),
        None,
        "",
    ),
    "stock.low": Words(n_("Pools that run low"), "package", n_("%(sku)s in the pool of %(place)s: cards available: %(cards)s."), None, ""),
    "stock.expiry": Words(
        n_("Cards that expire soon"), "hourglass", n_("%(sku)s in the pool of %(place)s: cards to sell, the first until %(day)s: %(cards)s."), None, ""
    ),
    "redemption.reversed": Words(
        n_("Redemptions taken back late"),
        "undo-2",
        n_("Card %(card)s of order %(order)s, sold by %(name)s: its redemption was taken back after it had counted for the hold. The commission of the line %(what)s."),
        None,
        "",
    ),
    "payment.problem": Words(
        n_("Payments without an order"),
        "wallet",
        n_("Order %(order)s, sold by %(name)s: what was paid could not become the order. Paid in full, it goes back by itself; another amount has to be looked at with the provider."),
        None,
        "",
    ),
    "payment.not_returned": Words(
        n_("Money that did not go back"),
        "undo-2",
        n_("Order %(order)s, sold by %(name)s: the provider refused to give this back. Pay it back another way, then note it."),
        None,
        "",
    ),
    "self_purchase.share": Words(
        n_("Self-purchases over 30%"),
        "users",
        n_("%(name)s, %(month)s: %(percent)s%% of its sales are self-purchases, which earn nothing. Order lines: %(lines)s."),
        None,
        "",
    ),
    "order.flagged": Words(n_("Flagged order lines"), "triangle-alert", n_("%(name)s, %(month)s: order lines %(what)s: %(lines)s."), None, ""),
    "statement.negative": Words(
        n_("Debts that are carried over"),
        "arrow-right",
        n_("%(name)s owes this much. It is set against what the next month earns."),
        "/statements/{}",
        n_("See the statement"),
    ),
    "payee.below_minimum": Words(
        n_("Below the least that is paid"),
        "wallet",
        n_("%(name)s: less than the least amount that is paid, so it is carried over."),
        "/statements/{}",
        n_("See the statement"),
    ),
}  # fmt: skip
REQUESTS = {
    "run.issue": n_("Issuing a run"),
    "adjustment.add": n_("An adjustment"),
    "role.grant": n_("A role for somebody"),
    "plan.publish": n_("A commission plan"),
    "prices.publish": n_("A version of the price book"),
    "policy.opinion": n_("A lawyer's opinion"),
    "policy.tighten": n_("Tighter limits"),
    "redemption.reverse": n_("A redemption to be taken back"),
}
FLAGS = {
    "order.capped": n_("past the cap on commissions"),
    "order.not_for_sale": n_("where the seller may not sell it, or without a price there"),
    "order.price_deviates": n_("at another price than agreed"),
    "order.self_purchase": n_("bought by the seller or by somebody above it"),
}
HOLDS = {
    "over": n_("had matured by then"),
    "running": n_("was still held"),
    "waiting": n_("had not begun to mature"),
}
# the work of which the pages tell more
WORK = {"settlement.": "/runs", "document.": "/runs", "bundle.": "/uploads", "export.": "/exports"}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """adjusted: where an adjustment for it is asked for, which puts an end to it as well."""

    sentence: str
    item: exceptions.Item
    address: str | None
    step: str
    reviewed: bool
    adjusted: str | None = None


@get(LIST, opt=guards.page("exceptions.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    groups = await exceptions.listing(brand=brand, now=clock.now())
    seen = await exceptions.reviews(brand=brand)
    permitted = auth.principal(request).permissions
    may, adjusts = RESOLVES in permitted, ADJUSTS in permitted
    return await pages.view(
        request,
        "finance/exceptions.html",
        brand=brand,
        groups=[
            (group, words.gettext(WORDS[group.kind].title), WORDS[group.kind].drawing, [_shown(words, brand, item, may, adjusts) for item in group.items])
            for group in groups
        ],
        total=sum(group.count for group in groups),
        seen=seen,
        titles={kind: words.gettext(each.title) for kind, each in WORDS.items()},
        names=await desk.names(request, [each.seen_by for each in seen]),
    )  # fmt: skip


@get(REVIEW, opt=guards.page(RESOLVES))
async def look(request: Request[Any, Any, Any]) -> Response[Any]:
    asked = request.query_params
    return await _review(request, asked.get("kind", ""), asked.get("subject", ""))


@post(REVIEW, opt=guards.page(RESOLVES), status_code=200)
async def review(request: Request[Any, Any, Any]) -> Response[Any]:
    """A second click finds it noted."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    kind, subject, note = (sent.get(name, "") for name in ("kind", "subject", "note"))
    try:
        await exceptions.review(brand=brand, kind=kind, subject=subject, note=note, actor=auth.actor(request), now=clock.now())
    except exceptions.ExceptionNoteError as refusal:
        fault = pages.Fault(field="note", message=refusals.sentence(refusal, pages.words(request)))
        return await _review(request, kind, subject, note=note, status=refusal.status, faults=[fault])
    return pages.elsewhere(LIST)


async def _review(
    request: Request[Any, Any, Any],
    kind: str,
    subject: str,
    *,
    note: str = "",
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    item = await exceptions.find(brand=brand, kind=kind, subject=subject, now=clock.now())
    return await pages.view(
        request,
        "finance/exception_review.html",
        status=status,
        brand=brand,
        shown=_shown(words, brand, item, True),
        title=words.gettext(WORDS[item.kind].title),
        note=note,
        faults=faults,
    )


def _shown(words: texts.Texts, brand: Brand, item: exceptions.Item, may: bool, adjusts: bool = False) -> Shown:  # noqa: FBT001, FBT002
    said, facts = WORDS[item.kind], item.facts
    what = REQUESTS.get(facts.get("action", "")) or FLAGS.get(facts.get("flag", "")) or HOLDS.get(facts.get("hold", ""))
    sentence = words.gettext(said.sentence) % {**facts, "what": words.gettext(what) if what else facts.get("action", "")}
    reviewed = may and item.kind in exceptions.SEEN
    address, step = None, words.gettext(said.step) if said.step else ""
    if said.address and item.link:
        address = said.address.format(f"{brand.code}-{item.link}" if said.address.startswith("/runs") else item.link)
    elif item.kind == "task.dead":
        address = next((path for start, path in WORK.items() if (item.link or "").startswith(start)), None)
        step = words.gettext("See what it was about") if address else ""
    elif reviewed:
        address = f"{REVIEW}?{parse.urlencode({'kind': item.kind, 'subject': item.subject})}"
        step = words.gettext("Note what you found")
    adjusted = None
    if adjusts and item.kind == "redemption.reversed":
        about = {"reseller": facts["reseller"], "reason": "correction", "reference": facts["order"]}
        adjusted = f"{adjustments.NEW}?{parse.urlencode(about)}"
    return Shown(sentence=sentence, item=item, address=address, step=step, reviewed=reviewed, adjusted=adjusted)
