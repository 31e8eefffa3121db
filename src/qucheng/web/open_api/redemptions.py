"""Cards presented at a till: answered, redeemed at most once, and taken back by the key they came with."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from qucheng.core import clock, idempotency
from qucheng.identity import api_caller
from qucheng.identity import brand as brands
from qucheng.redemption import redemption, reversal
from qucheng.web import guards, machines
from qucheng.web import site as sites
from qucheng.web.open_api import moving, operations, reading, shapes
from qucheng.web.open_api.operations import Operation
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

Key = Annotated[
    str, Meta(pattern="^[!-~]{1,255}$", description=n_("The Idempotency-Key of the redemption."), examples=["till-7-000123"])
]
Result = Annotated[
    Literal["ok", "used", "frozen", "expired", "not_yet", "not_here", "void", "unknown"],
    Meta(
        description=n_(
            "Only with ok the card was redeemed, and by this request. A key that is no terminal's is always told unknown."
        )
    ),
]


class RedemptionSent(shapes.Shape, frozen=True):
    code: Annotated[str, Meta(min_length=1, max_length=120, description=n_("As printed or typed."))] | None = None
    dynamic: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=120, description=n_("The text of a moving QR. It is good for its 15 seconds, and once.")
            ),
        ]
        | None
    ) = None
    digits: Annotated[str, Meta(pattern="^[0-9]{6}$", description=n_("Six digits under a moving QR, with phoneEnd."))] | None = (
        None
    )
    phone_end: (
        Annotated[str, Meta(pattern="^[0-9]{4}$", description=n_("The last four digits of the consumer's phone."))] | None
    ) = None


class UsedBefore(shapes.Shape, frozen=True):
    at: shapes.Instant
    store: shapes.Code
    store_name: str


class Redeemed(shapes.Shape, frozen=True):
    """id: null for a key that is no terminal's. card, sku: where the card is redeemed, now or before."""

    result: Result
    id: uuid.UUID | None
    at: shapes.Instant | None
    card: Annotated[str, Meta(examples=["12-345"])] | None
    sku: shapes.Code | None
    store: shapes.Code | None
    used: UsedBefore | None
    undone: Annotated[bool, Meta(description=n_("It was taken back afterwards."))]


class RedemptionAsked(shapes.Shape, frozen=True):
    key: Key


class ReversalSent(shapes.Shape, frozen=True):
    key: Key
    reason: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Reversed(shapes.Shape, frozen=True):
    result: Annotated[
        Literal["undone", "blocked", "nothing", "waiting"],
        Meta(
            description=n_(
                "undone: the card is as it was before, or back in stock or void where its unit was refunded meanwhile. blocked: the redemption has not come, and is refused when it does. nothing: the card was not redeemed with this key. waiting: it is more than five minutes ago, and a person decides."
            )
        ),
    ]
    redemption_id: uuid.UUID | None
    approval_id: uuid.UUID | None


REDEEM = Operation(
    tag=n_("Redemption"),
    summary=n_("Redeem a card"),
    about=n_(
        "Send one of code, dynamic and digits. The answer is always 200: what became of it stands in result. Send the same Idempotency-Key again when no answer came; it is never redeemed twice."
    ),
    body=RedemptionSent,
    reply=Redeemed,
    idempotent=True,
    refusals=(409, 422),
)
FIND = Operation(
    tag="Redemption",
    summary=n_("What a redemption was answered"),
    query=RedemptionAsked,
    reply=Redeemed,
    refusals=(404,),
)
REVERSE = Operation(
    tag="Redemption",
    summary=n_("Take a redemption back"),
    about=n_(
        "By the Idempotency-Key of the redemption, also when no answer to it came. Within five minutes by the terminal that redeemed; later a person has to allow it."
    ),
    body=ReversalSent,
    reply=Reversed,
    idempotent=True,
    refusals=(404, 409, 422),
)


@post("/api/v1/redemptions", opt=guards.api("cards.redeem", operation=REDEEM), status_code=200)
async def redeem(request: Request[Any, Any, Any]) -> Response[bytes]:
    named = idempotency.require_key(request.headers.get("idempotency-key"))
    sent, caller = await reading.body(request, RedemptionSent), machines.caller(request)
    shown, brand, keys = _presented(sent), await brands.read(caller.brand_id), sites.of(request).keys
    key = await _kept(request, named)

    async def once() -> tuple[int, Redeemed]:
        answer = await redemption.redeem(
            brand=brand,
            keys=keys,
            api_key=caller.key_id,
            key=key,
            presented=shown,
            actor=machines.actor(request),
            now=clock.now(),
        )
        return 200, _answered(answer)

    return await moving.once(request, moving.told(request, sent, of="redemption.request"), once, key=key)


async def _kept(request: Request[Any, Any, Any], key: str) -> str:
    """Whether it is the code of a card changes no answer: it would be a way to try codes."""
    return await redemption.kept_key(brand_id=machines.caller(request).brand_id, keys=sites.of(request).keys, key=key)


def _presented(sent: RedemptionSent) -> redemption.Presented:
    given: list[tuple[redemption.Way, str]] = []
    if sent.code is not None:
        given.append(("code", sent.code))
    if sent.dynamic is not None:
        given.append(("dynamic", sent.dynamic))
    if sent.digits is not None:
        given.append(("digits", sent.digits))
    if len(given) != 1:
        raise reading.BodyInvalidError(
            [reading.Fault(code="one", detail="Send one of code, dynamic and digits.", pointer="/code")]
        )
    ((way, text),) = given
    if (way == "digits") != (sent.phone_end is not None):
        fault = reading.Fault(
            code="missing", detail="Digits come with the end of the phone, and nothing else does.", pointer="/phoneEnd"
        )
        raise reading.BodyInvalidError([fault])
    return redemption.Presented(way=way, text=text, phone_end=sent.phone_end or "")


@get("/api/v1/redemptions", opt=guards.api("cards.redeem", operation=FIND))
async def read_redemption(request: Request[Any, Any, Any]) -> Response[bytes]:
    asked, caller = reading.query(request, RedemptionAsked), machines.caller(request)
    found = await redemption.find(brand_id=caller.brand_id, api_key=caller.key_id, key=await _kept(request, asked.key))
    return operations.answer(request, _answered(found))


@post("/api/v1/reversals", opt=guards.api("cards.redeem", operation=REVERSE), status_code=200)
async def reverse(request: Request[Any, Any, Any]) -> Response[bytes]:
    named = idempotency.require_key(request.headers.get("idempotency-key"))
    sent, caller = await reading.body(request, ReversalSent), machines.caller(request)
    brand, key = await brands.read(caller.brand_id), await _kept(request, named)
    sent = msgspec.structs.replace(sent, key=await _kept(request, sent.key))

    async def once() -> tuple[int, Reversed]:
        return 200, await _reverse(request, brand, sent)

    return await moving.once(request, sent, once, key=key)


async def _reverse(request: Request[Any, Any, Any], brand: Brand, sent: ReversalSent) -> Reversed:
    caller, actor = machines.caller(request), machines.actor(request)
    outcome = await reversal.reverse(
        brand=brand, api_key=caller.key_id, key=sent.key, reason=sent.reason, actor=actor, now=clock.now()
    )
    if outcome.result != "late":
        return Reversed(result=outcome.result, redemption_id=outcome.redemption, approval_id=None)
    assert outcome.redemption is not None  # noqa: S101 - what is late was found
    maker = await api_caller.maker(caller, permission="stock.change")
    approval = await reversal.ask(principal=maker, brand=brand, made=outcome.redemption, reason=sent.reason, actor=actor)
    return Reversed(result="waiting", redemption_id=outcome.redemption, approval_id=approval)


def _answered(found: redemption.Answer) -> Redeemed:
    used = found.used
    return Redeemed(
        result=found.result,
        id=found.id,
        at=found.at,
        card=found.card,
        sku=found.sku,
        store=found.store,
        used=UsedBefore(at=used.at, store=used.store, store_name=used.store_name) if used is not None else None,
        undone=found.undone,
    )
