"""What selling refuses, in words: to resellers who enter a sale, and to buyers on their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qucheng.core import errors, mail_address, phone
from qucheng.web import pages, refusals
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from litestar import Request

    from qucheng.identity.brand import Brand

SENTENCES = {
    "phone.invalid": n_("This is no phone number that could be called. Write it with its country, such as +86 138 0571 2264."),
    "mail_address.invalid": n_("This is no e-mail address. Write one such as li@example.com, or leave it empty."),
    "delivery.nothing": n_("There is no card of this order to be shown, or nobody to send the link to."),
    "delivery.sent": n_(
        "The link was sent just now, or often enough for today. Wait a while, and look at the messages that came."
    ),
    "manual_sale.off": n_("The brand does not let sales be entered by hand. Send the buyer a link instead."),
    "manual_sale.quantity": n_("Write a whole number from 1 to 999."),
    "manual_sale.price_changed": n_("The price has changed since you opened the page. Look at the new sum, then sell."),
    "manual_sale.limit": n_("With this sale you would be over the sum that the brand lets you enter by hand in a day."),
    "manual_sale.number": n_("Another sale has this number already. Begin a new one."),
    "payment.quantity": n_("Write a whole number from 1 to 99."),
    "payment.none": n_("Nobody takes money online here: pay the seller, who enters the order."),
    "payment.taken": n_("This order was begun with something else. Open the page again for another."),
    "sales_link.unknown": n_("Nothing is sold behind this link any more."),
    "sales_link.name": n_("A name has 1 to 60 characters."),
    "sales_link.expires": n_("The last day is today or later."),
    "sales_link.not_for_sale": n_("This is not sold in this channel today. Choose another product or channel."),
    "stock.short": n_("There are not enough of them in stock. Take fewer, or another product."),
    "quote.sku_unknown": n_("There is no such product."),
    "quote.channel_unknown": n_("There is no such channel."),
    "quote.reseller_unknown": n_("Nothing is sold behind this link any more."),
    "quote.not_joined": n_("Nothing is sold behind this link any more."),
    "quote.channel_closed": n_("This is not sold in this channel today. Choose another product or channel."),
    "quote.not_on_sale": n_("This is not sold in this channel today. Choose another product or channel."),
    "quote.not_for_sale": n_("This is not sold in this channel today. Choose another product or channel."),
    "sales_setting.invalid": n_(
        "Write an amount of more than nothing, such as 5,000, or leave it empty. The simulator is for trials only."
    ),
}
FIELDS = {
    "phone.invalid": "phone",
    "mail_address.invalid": "email",
    "manual_sale.quantity": "quantity",
    "payment.quantity": "quantity",
    "stock.short": "quantity",
    "sales_setting.invalid": "daily",
}


def sentence(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> str:
    found = SENTENCES.get(refusal.code)
    words = pages.words(request)
    return words.gettext(found) if found else refusals.sentence(refusal, words)


def fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    """At the field that it is about."""
    return pages.Fault(field=FIELDS.get(refusal.code), message=sentence(request, refusal))


def fault_of(request: Request[Any, Any, Any], field: str, code: str) -> pages.Fault:
    return pages.Fault(field=field, message=pages.words(request).gettext(SENTENCES[code]))


def unfit(
    request: Request[Any, Any, Any], brand: Brand, given: dict[str, str], *, fits: bool, quantity: str
) -> list[pages.Fault]:
    """All that is wrong with the fields of a sale, so that it is mended in one go. fits: the quantity; quantity: the code where it does not."""
    codes = [] if fits else [quantity]
    try:
        phone.normalised(given["phone"], region=phone.region(brand.currency))
    except errors.RefusedError as refusal:
        codes.append(refusal.code)
    if given["email"]:
        try:
            mail_address.normalised(given["email"])
        except errors.RefusedError as refusal:
            codes.append(refusal.code)
    return [fault_of(request, FIELDS[code], code) for code in codes]
