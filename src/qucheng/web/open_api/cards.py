"""The secret of a card, for a machine that delivers it: asked for card by card, on record, and never given again as a kept reply."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, params, post
from msgspec import Meta

from qucheng.core import clock
from qucheng.identity import brand as brands
from qucheng.stock import secret_reveal
from qucheng.web import guards, machines
from qucheng.web import site as sites
from qucheng.web.open_api import operations, reading, shapes
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_


class RevealSent(shapes.Shape, frozen=True):
    purpose: Annotated[
        str, Meta(min_length=1, max_length=200, description=n_("What it is shown for; it is kept."), examples=["delivery"])
    ]


class Revealed(shapes.Shape, frozen=True):
    """revealed_at: when it was first shown to anybody."""

    id: Annotated[str, Meta(examples=["12-345"])]
    sku: shapes.Code
    code: Annotated[str, Meta(examples=["7K2M9QX4RT6VW8YZ"])]
    pin: str | None
    revealed_at: shapes.Instant


REVEAL = Operation(
    tag=n_("Cards"),
    summary=n_("Reveal a card"),
    about=n_(
        "Shows the secret of a delivered card and puts it on record. From then on the card never returns to stock. The answer is not kept: the same request again shows it again, and counts again."
    ),
    body=RevealSent,
    reply=Revealed,
    refusals=(404, 409, 422),
)


@post("/api/v1/cards/{card_id:str}/reveal", opt=guards.api("cards.reveal", signed=True, operation=REVEAL), status_code=200)
async def reveal(request: Request[Any, Any, Any], card_id: params.FromPath[str]) -> Response[bytes]:
    caller, sent = machines.caller(request), await reading.body(request, RevealSent)
    if caller.mode != "live":
        raise machines.ScopeError("A key for tests reveals nothing.")
    try:
        shown = await secret_reveal.reveal_card(
            brand=await brands.read(caller.brand_id),
            keys=sites.of(request).keys,
            card=operations.storable(card_id),
            viewer=secret_reveal.Viewer(kind="api_key", id=caller.key_id),
            purpose=sent.purpose,
            actor=machines.actor(request),
            now=clock.now(),
            reseller=caller.reseller,
        )
    except secret_reveal.RevealPurposeError as refusal:
        fault = reading.Fault(code=refusal.code, detail=str(refusal), pointer="/purpose")
        raise reading.BodyInvalidError([fault]) from None
    found = Revealed(
        id=shown.card,
        sku=shown.sku,
        code=shown.code.shown(),
        pin=shown.pin.shown() if shown.pin else None,
        revealed_at=_utc(shown.revealed_at),
    )
    return Response(
        msgspec.json.encode(found),
        status_code=200,
        media_type=machines.JSON,
        headers={**machines.headers(request), "cache-control": "no-store"},
    )


def _utc(instant: dt.datetime) -> dt.datetime:
    return instant.astimezone(dt.UTC)
