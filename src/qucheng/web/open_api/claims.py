"""Claims that the brand's own app sends for its people."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request, Response, post
from msgspec import Meta

from qucheng.campaigns import claim
from qucheng.core import clock, idempotency
from qucheng.identity import brand as brands
from qucheng.web import guards, machines
from qucheng.web import site as sites
from qucheng.web.open_api import order_shapes, reading
from qucheng.web.open_api.operations import Operation
from qucheng.web.open_api.shapes import Code, Instant, Shape
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

CREATED = 201


class ClaimSent(Shape, frozen=True, forbid_unknown_fields=True):
    offer: Code
    subject: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            description=n_("The person, as your app names it: visible ASCII characters. Stored as a keyed fingerprint."),
            examples=["user-8812"],
        ),
    ]


class Claim(Shape, frozen=True):
    id: uuid.UUID
    offer: Code
    card: order_shapes.CardId
    claimed_at: Instant
    earlier: Annotated[bool, Meta(description=n_("The person had claimed before in this period; nothing was given out now."))]


CLAIM = Operation(
    tag="Stock",
    summary=n_("Claim a card of an offer"),
    about=n_(
        "One for each person and period: whoever asks again is given the same. 409 before the offer begins and when nothing is left, 410 when it has ended."
    ),
    body=ClaimSent,
    reply=Claim,
    status=CREATED,
    idempotent=True,
    refusals=(404, 409, 410),
)


@post("/api/v1/claims", opt=guards.api("claims.write", signed=True, operation=CLAIM), status_code=CREATED)
async def claim_card(request: Request[Any, Any, Any]) -> Response[bytes]:
    key = idempotency.require_key(request.headers.get("idempotency-key"))
    sent, caller = await reading.body(request, ClaimSent), machines.caller(request)
    asked = claim.Request(
        api_key=caller.key_id,
        key=key,
        # keyed: who the person is would be found by trying
        fingerprint=sites.of(request).keys.fingerprint(
            f"{machines.target(request)}\n{msgspec.json.encode(sent).decode()}", of="claim.request"
        ),
    )
    brand = await brands.known(caller.brand_id)
    made = await _made(brand, sent, _asked(request, brand, sent, asked), live=caller.mode == "live")
    # what the same request made is answered as it was then
    status = CREATED if made.fresh or made.replayed else 200
    shown = Claim(id=made.id, offer=sent.offer, card=made.card, claimed_at=made.claimed_at, earlier=status != CREATED)
    replayed = {"idempotent-replayed": "true"} if made.replayed else {}
    headers = {**machines.headers(request), **replayed}
    return Response(msgspec.json.encode(shown), status_code=status, media_type=machines.JSON, headers=headers)


def _asked(request: Request[Any, Any, Any], brand: Brand, sent: ClaimSent, asked: claim.Request) -> claim.Ask:
    try:
        return claim.ask(brand=brand, keys=sites.of(request).keys, subject=sent.subject, request=asked)
    except claim.SubjectUnfitError as refusal:
        fault = reading.Fault(code=refusal.code, detail=str(refusal), pointer="/subject")
        raise reading.BodyInvalidError([fault]) from None


async def _made(brand: Brand, sent: ClaimSent, one: claim.Ask, *, live: bool) -> claim.Claim:
    """What a test key asks for is tried, answered and not kept."""
    if live:
        return await claim.DESK.claim(brand=brand, code=sent.offer, one=one, now=clock.now())
    return await claim.try_out(brand=brand, code=sent.offer, one=one, now=clock.now())
