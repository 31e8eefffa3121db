"""Orders for the people of a brand: looked for, looked at, and refunded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.core import clock, errors, money
from qucheng.insight import order_desk
from qucheng.orders import delivery, order_number, refund, rules, sale
from qucheng.web import auth, guards, pages, refusals, selling_words
from qucheng.web import site as sites
from qucheng.web.finance import books, desk, step_up
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

HERE = "/orders"
CODE = re.compile("[A-Za-z0-9._-]{1,40}", re.ASCII)
SOURCES: dict[order_desk.Source, str] = {
    "delivery": n_("Delivery"),
    "api": n_("Program"),
    "manual": n_("By hand"),
    "page": n_("Order page"),
}
STOCK: dict[sale.StockState, str] = {
    "delivered": n_("Cards drawn"),
    "paid_without_stock": n_("Paid without stock"),
    "resolved": n_("Resolved"),
    "none": n_("Needs no cards"),
}
FLAGS = {
    "order.capped": n_("Capped"),
    "order.not_for_sale": n_("Not for sale there"),
    "order.price_deviates": n_("Another price"),
    "order.self_purchase": n_("Own purchase"),
}
FAULTS = {
    "refund.exceeds_line": n_("This is more than is left of the line."),
    "amount.invalid": n_("An amount is a number like 12.30."),
    "quantity.invalid": n_("A number of units, 0 or more."),
    "line.missing": n_("Give back something of a line at least."),
    "reason.invalid": n_("At most 200 printable characters."),
    "refund.before_payment": n_("The order was paid later."),
}


@get(HERE, opt=guards.page("orders.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, asked, words = await books.brand_of(request), request.query_params, pages.words(request)
    month = books.month(asked.get("period"))
    wanted = order_desk.Wanted(
        month=month,
        source=next((each for each in SOURCES if each == asked.get("source")), None),
        stock_state=next((each for each in STOCK if each == asked.get("stock")), None),
        text=desk.text(asked.get("text")),
    )
    kept = {
        "period": f"{month:%Y-%m}" if month else "",
        "source": wanted.source or "",
        "stock": wanted.stock_state or "",
        "text": wanted.text,
    }
    number = desk.page_number(request)
    found = await order_desk.page(brand=brand, wanted=wanted, size=desk.PAGE, skip=(number - 1) * desk.PAGE)
    months = await order_desk.months(brand=brand, now=clock.now())
    return await pages.view(
        request,
        "console/orders.html",
        brand=brand,
        found=found,
        wanted=kept,
        without={name: books.address(HERE, {**kept, name: ""}) for name, value in kept.items() if value},
        periods=[("", words.gettext("All months")), *((f"{each:%Y-%m}",) * 2 for each in months)],
        sources={source: words.gettext(word) for source, word in SOURCES.items()},
        states={state: words.gettext(word) for state, word in STOCK.items()},
        span=desk.span(HERE, kept, number, len(found.rows), found.total),
    )


@get("/orders/{order_no:str}", opt=guards.page("orders.read"))
async def one(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    brand = await books.brand_of(request)
    return await _one(request, brand, await _order(brand, order_no))


async def _one(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: order_desk.Order,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    words = pages.words(request)
    return await pages.view(
        request,
        "console/order.html",
        status=status,
        faults=faults,
        brand=brand,
        order=found,
        names=await desk.names(request, [found.placed_by]),
        sources={source: words.gettext(word) for source, word in SOURCES.items()},
        flags={code: words.gettext(word) for code, word in FLAGS.items()},
        done=request.query_params.get("done") if not faults else None,
    )


@post("/orders/{order_no:str}/link", opt=guards.page("orders.resolve", form=HERE), status_code=200)
async def send_link(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    """Another message to the buyer, with a link in the place of the one before."""
    brand = await books.brand_of(request)
    found = await _order(brand, order_no)
    try:
        await delivery.resend(
            brand=brand, order_no=found.order_no, keys=sites.of(request).keys, actor=auth.actor(request), now=clock.now()
        )
    except (delivery.LinkNotSentError, delivery.LinkSentError) as refusal:
        return await _one(request, brand, found, refusal.status, [selling_words.fault(request, refusal)])
    return pages.elsewhere(f"{HERE}/{found.order_no}?done=link")


@get("/orders/{order_no:str}/refund", opt=guards.page("orders.refund"))
async def refund_form(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    brand = await books.brand_of(request)
    given = {"refund_no": f"R{order_number.local_day(brand, clock.now()):%Y%m%d}-{order_number.by_chance(order_number.LENGTH)}"}
    return await _form(request, brand, await _order(brand, order_no), given)


@post("/orders/{order_no:str}/refund", opt=guards.page("orders.refund"), status_code=200)
async def give_back(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    """The number is made with the form: sent again it is the same refund."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    found = await _order(brand, order_no)
    lines, places, faults = _lines(request, brand, found, sent)
    if not lines and not faults:
        faults.append(_fault(request, "line.missing", "units-0"))
    if faults:
        return await _form(request, brand, found, sent, 422, faults)
    try:
        await step_up.require(request, sent.get("code", ""))
        await refund.give(
            brand=brand,
            order_no=found.order_no,
            refund_no=sent.get("refund_no", ""),
            lines=lines,
            reason=sent.get("reason", "").strip() or None,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except refund.RefundInvalidError as refusal:
        told = [_fault(request, each.code, _field(each.pointer, places)) for each in refusal.faults]
        return await _form(request, brand, found, sent, refusal.status, told)
    except (refund.RefundExistsError, *step_up.REFUSED) as refusal:
        return await _form(request, brand, found, sent, _status(refusal), [_told(request, refusal)], refusal)
    return pages.elsewhere(f"{HERE}/{found.order_no}?done=refunded")


async def _order(brand: Brand, order_no: str) -> order_desk.Order:
    if CODE.fullmatch(order_no) is None:
        raise NotFoundException
    try:
        return await order_desk.read(brand=brand, order_no=order_no)
    except sale.OrderUnknownError:
        raise NotFoundException from None


def _lines(
    request: Request[Any, Any, Any], brand: Brand, found: order_desk.Order, sent: dict[str, str]
) -> tuple[list[rules.LineBack], list[int], list[pages.Fault]]:
    """What is given back of the lines, at which place of the form each stands, and what cannot be read."""
    lines, places, faults = [], [], []
    for place, line in enumerate(found.lines):
        units, amount = sent.get(f"units-{place}", "").strip() or "0", sent.get(f"amount-{place}", "").strip() or "0"
        if not re.fullmatch("[0-9]{1,7}", units, re.ASCII):
            faults.append(_fault(request, "quantity.invalid", f"units-{place}"))
        try:
            minor = money.parse_typed(amount, brand.decimals)
        except ValueError:
            minor = -1
        if minor < 0:
            faults.append(_fault(request, "amount.invalid", f"amount-{place}"))
        elif re.fullmatch("[0-9]{1,7}", units, re.ASCII) and (int(units) or minor):
            lines.append(rules.LineBack(line_no=line.line_no, quantity=int(units), amount_minor=minor))
            places.append(place)
    return lines, places, faults


def _field(pointer: str, places: list[int]) -> str | None:
    """Where in the form a room's fault stands."""
    found = re.fullmatch("/lines/([0-9]+)/(quantity|amount/amount)", pointer)
    if found is None:
        return "reason" if pointer == "/reason" else None
    return f"{'units' if found[2] == 'quantity' else 'amount'}-{places[int(found[1])]}"


def _fault(request: Request[Any, Any, Any], code: str, field: str | None) -> pages.Fault:
    words = pages.words(request)
    return pages.Fault(field=field, message=words.gettext(FAULTS.get(code, n_("This cannot be so."))))


def _status(refusal: errors.RefusedError) -> int:
    return step_up.status(refusal) if isinstance(refusal, step_up.REFUSED) else refusal.status


def _told(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    if isinstance(refusal, step_up.REFUSED):
        return step_up.fault(request, refusal)
    return pages.Fault(message=refusals.sentence(refusal, pages.words(request)))


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    found: order_desk.Order,
    given: dict[str, str],
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    return await pages.view(
        request,
        "console/order_refund.html",
        status=status,
        headers=refusals.headers(refusal) if refusal else None,
        brand=brand,
        order=found,
        given=given,
        faults=faults,
        payable=[money.format_plain(line.left_minor, brand.decimals) for line in found.lines],
    )
