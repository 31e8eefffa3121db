"""The cards of a person who writes or calls: bought with the phone or the e-mail address, or claimed by who has proven the phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import db, mail_address, phone
from qucheng.stock import trace

if TYPE_CHECKING:
    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

BOUGHT = """
    SELECT c.batch, c.number FROM sale o JOIN card c ON c.brand_id = o.brand_id AND c.order_no = o.order_no
    WHERE o.brand_id = current_brand() AND o.{mark} = $1 ORDER BY o.placed_at DESC, 1 DESC, 2 LIMIT $2"""
# from offer to offer by the unique key of a claim: a person has few of each, a brand few offers
CLAIMED = """
    SELECT c.batch, c.number FROM consumer p CROSS JOIN claim_offer f
    JOIN claim k ON k.brand_id = f.brand_id AND k.offer = f.code AND k.subject_hash = p.subject_hash
    JOIN card c ON c.brand_id = k.brand_id AND c.claim = k.id
    WHERE p.brand_id = current_brand() AND f.brand_id = p.brand_id AND p.phone_fingerprint = $1 ORDER BY k.claimed_at DESC LIMIT $2"""


async def cards_of(*, brand: Brand, keys: crypto.Keys, typed: str) -> list[trace.Found]:
    """typed: a phone number or an e-mail address. Raises PhoneInvalidError and MailAddressInvalidError."""
    if "@" in typed:
        mark, statements = (
            keys.fingerprint(mail_address.normalised(typed), of="sale.mail"),
            [BOUGHT.format(mark="mail_fingerprint")],
        )
    else:
        called = phone.normalised(typed, region=phone.region(brand.currency))
        mark, statements = keys.fingerprint(called, of="sale.phone"), [BOUGHT.format(mark="phone_fingerprint"), CLAIMED]
    async with db.atomic(brand.id):
        rows = [row for each in statements for row in await db.connection().fetch(each, mark, trace.MOST)]
    return await trace.by_cards(brand_id=brand.id, cards=[(row["batch"], row["number"]) for row in rows])
