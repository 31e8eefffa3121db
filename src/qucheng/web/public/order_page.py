"""The page behind a reseller's link: what is sold, an order, and how far it is. For anybody; it keeps nothing of who only looks."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, get, params, post

from qucheng.catalog import price_errors, quote, shelf
from qucheng.core import clock, limits, mail_address, payment_port, phone
from qucheng.identity import brand as brands
from qucheng.identity.brand import Brand
from qucheng.orders import delivery, order_number, payment, sale, sales_link, sales_setting
from qucheng.stock import reservation
from qucheng.web import auth, guards, pages, qr_codes, selling_words
from qucheng.web import site as sites
from qucheng.web.portal import shown
from qucheng.web.public import payments

if TYPE_CHECKING:
    from qucheng.orders.sales_link import Link

HERE, ONE = "/o/{code:str}", "/o/{code:str}/{payment_id:uuid}"
MOST = 50
LOOKS = limits.Limit(name="order-look", count=120, seconds=300)
SENT = limits.Limit(name="order-page", count=10, seconds=600, closed_when_down=True)
# somebody may type another's number: few orders for each
PHONES = limits.Limit(name="order-phone", count=10, seconds=3600, closed_when_down=True)
RESENT = limits.Limit(name="order-link", count=10, seconds=3600, closed_when_down=True)
ASKED = limits.Limit(name="order-check", count=20, seconds=600, closed_when_down=True)
HEADERS = {"x-robots-tag": "noindex, nofollow"}
REFUSED = (
    phone.PhoneInvalidError,
    mail_address.MailAddressInvalidError,
    payment.QuantityError,
    payment.PaymentTakenError,
    payment_port.NoOnlinePaymentError,
    sales_link.LinkUnknownError,
    reservation.StockShortError,
    price_errors.QuoteSkuUnknownError,
    price_errors.QuoteNotJoinedError,
    price_errors.QuoteChannelClosedError,
    price_errors.QuoteNotOnSaleError,
    price_errors.QuoteNotForSaleError,
)


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """What a link leads to. offers: what is sold behind it today; none where it is closed."""

    brand: Brand
    link: sales_link.Link
    offers: list[quote.Offer]


@get(HERE, opt=guards.page(guards.ANYBODY))
async def form(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    await sites.of(request).limit(LOOKS, subject=auth.network(request))
    behind = await _behind(code)
    await sales_link.opened(brand=behind.brand, link=behind.link.id, now=clock.now())
    return await _form(request, behind, {})


@post(HERE, opt=guards.page(guards.ANYBODY), status_code=200)
async def order(request: Request[Any, Any, Any], code: params.FromPath[str]) -> Response[Any]:
    """Sent twice it is one order; the payer goes on to where it is paid."""
    behind, sent, site = await _behind(code), await pages.form(request), sites.of(request)
    given = {name: shown.typed(sent.get(name)) for name in ("sku", "quantity", "phone", "email", "order_no")}
    quantity = int(given["quantity"]) if given["quantity"].isdecimal() and len(given["quantity"]) < len("10000") else 0
    try:
        await site.limit(SENT, subject=auth.network(request))
        wrong = selling_words.unfit(
            request, behind.brand, given, fits=0 < quantity <= payment.MOST_UNITS, quantity=payment.QuantityError.code
        )
        if wrong and behind.offers:
            return await _form(request, behind, given, 422, wrong)
        called = phone.normalised(given["phone"], region=phone.region(behind.brand.currency))
        await site.limit(PHONES, subject=site.keys.fingerprint(called, of="order-page.phone").hex())
        made = await payment.open_payment(
            brand=behind.brand,
            link=behind.link,
            order_no=given["order_no"],
            sku=given["sku"],
            quantity=quantity,
            number=called,
            email=given["email"],
            locale=pages.language_of(request),
            keys=site.keys,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except (*REFUSED, limits.LimitedError, limits.LimiterDownError) as refusal:
        fault = selling_words.fault(request, refusal)
        return await _form(request, behind, given, refusal.status, [fault])
    return pages.elsewhere(await _on(request, behind, made))


@get(ONE, opt=guards.page(guards.ANYBODY))
async def state(
    request: Request[Any, Any, Any], code: params.FromPath[str], payment_id: params.FromPath[uuid.UUID]
) -> Response[Any]:
    await sites.of(request).limit(LOOKS, subject=auth.network(request))
    return await _state(request, code, payment_id)


async def _send_link(request: Request[Any, Any, Any], code: str, payment_id: uuid.UUID) -> Response[Any]:
    """Another message to the number and the address of the order: whoever has this page learns neither."""
    brand, _, found = await _found(code, payment_id)
    try:
        await sites.of(request).limit(RESENT, subject=auth.network(request))
        await delivery.resend(
            brand=brand, order_no=found.order_no, keys=sites.of(request).keys, actor=auth.actor(request), now=clock.now()
        )
    except (delivery.LinkNotSentError, delivery.LinkSentError, limits.LimitedError, limits.LimiterDownError) as refusal:
        return await _state(request, code, payment_id, refusal.status, [selling_words.fault(request, refusal)])
    return pages.elsewhere(f"{request.url.path}?done=link")


async def _state(
    request: Request[Any, Any, Any],
    code: str,
    payment_id: uuid.UUID,
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    brand, link, found = await _found(code, payment_id)
    made = None
    if found.placed_at is not None:
        made = await sale.read(brand_id=brand.id, order_no=found.order_no, reseller=link.reseller)
    words = pages.words(request)
    articles = await _offers(brand, link, found.sku)
    return await pages.view(
        request,
        "consumer/order_state.html",
        status=status,
        faults=faults,
        done=request.query_params.get("done") == "link" and not faults,
        headers=HEADERS,
        brand=brand,
        link=link,
        payment=found,
        sale=made,
        name=articles[0].name if articles else found.sku,
        over=found.state in ("created", "pending") and found.good_until <= clock.now(),
        code=qr_codes.drawn(sites.address(request, found.pay_address), words.gettext("QR code to pay"))
        if found.pay_address
        else "",
        symbol=shown.symbol(brand, words),
        plain=shown.plain,
    )


@post(ONE, opt=guards.page(guards.ANYBODY), status_code=200)
async def check(
    request: Request[Any, Any, Any], code: params.FromPath[str], payment_id: params.FromPath[uuid.UUID]
) -> Response[Any]:
    """The buyer says that it was paid, or that it did not go on: the provider is asked. Or the buyer has lost the link."""
    if (await pages.form(request)).get("step") == "link":
        return await _send_link(request, code, payment_id)
    await sites.of(request).limit(ASKED, subject=auth.network(request))
    brand, link, found = await _found(code, payment_id)
    if found.state == "created":
        return pages.elsewhere(await _on(request, Behind(brand=brand, link=link, offers=[]), found))
    if found.state in ("pending", "expired", "failed"):
        answer = await payments.port(request, found.provider).query(found.id)
        await payment.found(
            brand=brand, payment=found.id, answer=answer, keys=sites.of(request).keys, actor=auth.actor(request), now=clock.now()
        )
    return pages.elsewhere(request.url.path)


async def _on(request: Request[Any, Any, Any], behind: Behind, made: payment.Payment) -> str:
    """Where the payer goes next. Who takes the money may not answer: then it is tried again from the order's own page."""
    here = f"/o/{behind.link.code}/{made.id}"
    if made.state != "created":
        return here
    names = {offer.sku: offer.name for offer in behind.offers}
    asked = payment.charge(behind.brand, made, name=names.get(made.sku, made.sku), address=here)
    try:
        created = await payments.port(request, made.provider).create(asked)
    except (payment_port.UnreachableError, OSError):
        return here
    await payment.sent(brand=behind.brand, payment=made.id, created=created)
    return here


async def _behind(code: str) -> Behind:
    """A link that is closed says so. Raises LinkUnknownError for a code that is nobody's."""
    brand_id, link = await sales_link.named(code)
    brand = await brands.read(brand_id)
    return Behind(brand=brand, link=link, offers=await _offers(brand, link, link.sku) if link.open(clock.now()) else [])


async def _offers(brand: Brand, link: Link, sku: str | None) -> list[quote.Offer]:
    found = await quote.listing(
        brand_id=brand.id, reseller=link.reseller, at=clock.now(), skus=[sku] if sku else None, most=1 if sku else MOST
    )
    return [offer for offer in found.rows if offer.channel == link.channel and offer.channel_kind == "agency"]


async def _found(code: str, payment_id: uuid.UUID) -> tuple[Brand, Link, payment.Payment]:
    """Only behind the link that it was made with. Raises LinkUnknownError, whichever of the two is not there."""
    brand_id, link = await sales_link.named(code)
    try:
        found = await payment.read(brand_id=brand_id, payment=payment_id)
    except payment.PaymentUnknownError:
        found = None
    if found is None or found.link != link.id:
        raise sales_link.LinkUnknownError("There is no such order behind this link.")
    return await brands.read(brand_id), link, found


async def _form(
    request: Request[Any, Any, Any],
    behind: Behind,
    given: dict[str, str],
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    brand, words = behind.brand, pages.words(request)
    setting = await sales_setting.read(brand_id=brand.id)
    skus = [offer.sku for offer in behind.offers]
    kept = given.get("order_no", "")
    fresh = kept if order_number.is_one(kept, "P") else order_number.made("P", brand, clock.now())
    return await pages.view(
        request,
        "consumer/order.html",
        status=status,
        headers=HEADERS,
        brand=brand,
        link=behind.link,
        offers=behind.offers,
        articles=await shelf.articles(brand_id=brand.id, reseller=behind.link.reseller, skus=skus),
        online=setting.provider != "null",
        given={**dict.fromkeys(("sku", "quantity", "phone", "email"), ""), **given},
        order_no=fresh,
        prefix=phone.prefix(brand.currency),
        minutes=payment.KEPT.seconds // 60,
        most=payment.MOST_UNITS,
        chinese=words.chinese,
        symbol=shown.symbol(brand, words),
        plain=shown.plain,
        faults=faults,
    )
