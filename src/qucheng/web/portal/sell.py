"""Selling by hand: an article in a channel, how many and to whom; the sum is shown, then the order is made, and there is its receipt."""

from __future__ import annotations

import re
from typing import Any
from urllib import parse

import msgspec
from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.catalog import price_errors, quote
from qucheng.core import clock, errors, mail_address, phone
from qucheng.orders import delivery, manual_sale, order_number, sale, sales_setting
from qucheng.stock import queries as stock
from qucheng.web import auth, guards, pages, selling_words
from qucheng.web import site as sites
from qucheng.web.portal import shown
from qucheng.web.texts import n_

LIST, NEW = "/portal/sell", "/portal/sell/new"
PAGE = 20
LONGEST_TEXT = 80
CODE = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
FIELDS = ("sku", "channel", "quantity", "phone", "email", "unit", "order_no")
NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
LONGEST_QUANTITY = 4
QUOTE_REFUSED = (
    price_errors.QuoteSkuUnknownError,
    price_errors.QuoteChannelUnknownError,
    price_errors.QuoteNotJoinedError,
    price_errors.QuoteChannelClosedError,
    price_errors.QuoteNotOnSaleError,
    price_errors.QuoteNotForSaleError,
)
STOCK = {
    "none": n_("Nothing is delivered from stock for this order."),
    "delivered": n_("Taken from stock. The buyer gets a link by message to the number of the order."),
    "paid_without_stock": n_(
        "Paid, and there is not enough in stock. The brand has been told: it adds stock, offers something else, or the money goes back. Nothing is for you to do."
    ),
    "resolved": n_("Stock was short, and the brand has settled it."),
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A form as it was filled in; quantity 0 for what is no number."""

    sku: str
    channel: str
    quantity: int
    phone: str
    email: str
    unit_minor: int
    order_no: str


@get(LIST, opt=guards.page("own.sales.create"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    """What may be sold, each in its channels; the next page asks to whom."""
    own, asked = await shown.own(request), request.query_params
    text, number, now = shown.typed(asked.get("text"))[:LONGEST_TEXT], shown.number(asked.get("page")), clock.now()
    found = await quote.listing(
        brand_id=own.brand.id, reseller=own.reseller, at=now, text=text or None, skip=(number - 1) * PAGE, most=PAGE
    )
    skus = {offer.sku for offer in found.rows}
    setting = await sales_setting.read(brand_id=own.brand.id, reseller=own.reseller)
    return await shown.view(
        request,
        "sell.html",
        own,
        rows=found.rows,
        text=text,
        setting=setting,
        sold_minor=await manual_sale.sold_today(brand=own.brand, reseller=own.reseller, now=now),
        span=shown.span_of(found.total, len(skus), number, PAGE, {"text": text}),
    )


@get(NEW, opt=guards.page("own.sales.create"))
async def form(request: Request[Any, Any, Any]) -> Response[Any]:
    own, asked = await shown.own(request), request.query_params
    given = {"sku": shown.typed(asked.get("sku")), "channel": shown.typed(asked.get("channel")), "quantity": "1"}
    return await _form(request, own, given)


@post(NEW, opt=guards.page("own.sales.create"), status_code=200)
async def sell(request: Request[Any, Any, Any]) -> Response[Any]:
    """First the sum is shown; sent from there it is sold, and sent again it has been."""
    own, sent = await shown.own(request), await pages.form(request)
    given = {name: shown.typed(sent.get(name)) for name in FIELDS}
    if sent.get("step") == "change":
        return await _form(request, own, given)
    asked = _asked(given)
    fits = 0 < asked.quantity <= manual_sale.MOST_UNITS
    if wrong := selling_words.unfit(request, own.brand, given, fits=fits, quantity=manual_sale.QuantityError.code):
        return await _form(request, own, given, 422, wrong)
    try:
        if sent.get("step") == "sell":
            made = await _sold(request, own, asked)
            return pages.elsewhere(f"{LIST}/{made.order_no}?done=sold")
        return await _confirmation(request, own, given, asked)
    except manual_sale.PriceChangedError as refusal:
        return await _confirmation(request, own, given, asked, refusal)
    except (
        phone.PhoneInvalidError,
        mail_address.MailAddressInvalidError,
        manual_sale.QuantityError,
        manual_sale.ManualOffError,
        manual_sale.DayLimitError,
        manual_sale.NumberError,
        sale.OrderInvalidError,
        *QUOTE_REFUSED,
    ) as refusal:
        fault = selling_words.fault(request, refusal)
        return await _form(request, own, given, max(refusal.status, 400), [fault])


@get("/portal/sell/{order_no:str}", opt=guards.page("own.sales.create"))
async def receipt(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    """To be printed or shown to the buyer: nothing on it is for the reseller alone."""
    return await _receipt(request, await shown.own(request), order_no)


@post("/portal/sell/{order_no:str}/link", opt=guards.page("own.sales.create", form=LIST), status_code=200)
async def send_link(request: Request[Any, Any, Any], order_no: params.FromPath[str]) -> Response[Any]:
    """The buyer has lost the message: another is sent, with a link in the place of the one before."""
    own = await shown.own(request)
    made = await _made(own, order_no)
    try:
        await delivery.resend(
            brand=own.brand, order_no=made.order_no, keys=sites.of(request).keys, actor=auth.actor(request), now=clock.now()
        )
    except (delivery.LinkNotSentError, delivery.LinkSentError) as refusal:
        return await _receipt(request, own, order_no, refusal.status, [selling_words.fault(request, refusal)])
    return pages.elsewhere(f"{LIST}/{made.order_no}?done=link")


async def _made(own: shown.Own, order_no: str) -> sale.Sale:
    if CODE.fullmatch(order_no) is None:
        raise NotFoundException
    try:
        return await sale.read(brand_id=own.brand.id, order_no=order_no, reseller=own.reseller)
    except sale.OrderUnknownError:
        raise NotFoundException from None


async def _receipt(
    request: Request[Any, Any, Any], own: shown.Own, order_no: str, status: int = 200, faults: list[pages.Fault] | tuple[()] = ()
) -> Response[Any]:
    made, words = await _made(own, order_no), pages.words(request)
    skus = [line.sku for line in made.lines]
    return await shown.view(
        request,
        "sell_receipt.html",
        own,
        status=status,
        faults=faults,
        sale=made,
        total_minor=sum(line.net_minor for line in made.lines),
        names=await sale_names(own, skus),
        stock=words.gettext(STOCK[made.stock_state]),
        done=request.query_params.get("done") if not faults else None,
    )


async def sale_names(own: shown.Own, skus: list[str]) -> dict[str, str]:
    """By code; a product that is not sold any more has its code alone."""
    found = await quote.listing(brand_id=own.brand.id, reseller=own.reseller, at=clock.now(), skus=skus, most=len(skus) or 1)
    return {**{sku: sku for sku in skus}, **{offer.sku: offer.name for offer in found.rows}}


async def _sold(request: Request[Any, Any, Any], own: shown.Own, asked: Asked) -> sale.Sale:
    return await manual_sale.sell(
        brand=own.brand,
        reseller=own.reseller,
        channel=asked.channel,
        sku=asked.sku,
        quantity=asked.quantity,
        unit_minor=asked.unit_minor,
        number=asked.phone,
        email=asked.email,
        order_no=asked.order_no,
        keys=sites.of(request).keys,
        actor=auth.actor(request),
        now=clock.now(),
    )


async def _form(
    request: Request[Any, Any, Any],
    own: shown.Own,
    given: dict[str, str],
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    offer = await _offer(own, given["sku"], given["channel"])
    if offer is None and not faults:
        return pages.elsewhere(LIST)
    kept = given.get("order_no", "")
    return await shown.view(
        request,
        "sell_new.html",
        own,
        status=status,
        given={**dict.fromkeys(FIELDS, ""), **given},
        offer=offer,
        in_stock=await _in_stock(own, offer) if offer else None,
        order_no=kept if order_number.is_one(kept, "M") else order_number.made("M", own.brand, clock.now()),
        setting=await sales_setting.read(brand_id=own.brand.id, reseller=own.reseller),
        prefix=phone.prefix(own.brand.currency),
        most=manual_sale.MOST_UNITS,
        faults=faults,
    )


async def _confirmation(
    request: Request[Any, Any, Any],
    own: shown.Own,
    given: dict[str, str],
    asked: Asked,
    refusal: errors.RefusedError | None = None,
) -> Response[Any]:
    """Raises what stands against it."""
    called = phone.normalised(asked.phone, region=phone.region(own.brand.currency))
    address = mail_address.normalised(asked.email) if asked.email else ""
    if (await sales_setting.read(brand_id=own.brand.id, reseller=own.reseller)).manual_sale == "off":
        raise manual_sale.ManualOffError(own.brand.code)
    priced = await quote.resolve(
        brand_id=own.brand.id, sku=asked.sku, channel=asked.channel, reseller=own.reseller, quantity=asked.quantity,
        at=clock.now(), as_reseller=True,
    )  # fmt: skip
    offer = await _offer(own, asked.sku, asked.channel)
    if offer is None:
        raise price_errors.QuoteNotForSaleError(asked.sku)
    faults = [selling_words.fault(request, refusal)] if refusal is not None else []
    return await shown.view(
        request,
        "sell_confirm.html",
        own,
        status=refusal.status if refusal is not None else 200,
        given={**given, "unit": str(priced.unit_minor)},
        masked=" · ".join([phone.masked(called), *([mail_address.masked(address)] if address else [])]),
        offer=offer,
        in_stock=await _in_stock(own, offer),
        priced=priced,
        again=f"{NEW}?{parse.urlencode({'sku': asked.sku, 'channel': asked.channel})}",
        faults=faults,
    )


async def _offer(own: shown.Own, sku: str, channel: str) -> quote.Offer | None:
    if CODE.fullmatch(sku) is None:
        return None
    found = await quote.listing(brand_id=own.brand.id, reseller=own.reseller, at=clock.now(), skus=[sku], most=1)
    return next((offer for offer in found.rows if offer.channel == channel), None)


async def _in_stock(own: shown.Own, offer: quote.Offer) -> int | None:
    """How many could be delivered at once; None for what comes from no stock. Others draw as well: it is a hint."""
    return await stock.drawable(brand=own.brand, reseller=own.reseller, channel=offer.channel, sku=offer.sku, now=clock.now())


def _asked(given: dict[str, str]) -> Asked:
    quantity, unit = given["quantity"], given["unit"]
    return Asked(
        sku=given["sku"],
        channel=given["channel"],
        quantity=int(quantity) if NUMBER.fullmatch(quantity) and len(quantity) <= LONGEST_QUANTITY else 0,
        phone=given["phone"],
        email=given["email"],
        unit_minor=int(unit) if NUMBER.fullmatch(unit) else 0,
        order_no=given["order_no"],
    )
