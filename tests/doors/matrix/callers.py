"""Keys of every kind, right and wrong, and requests as programs send them."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from typing import TYPE_CHECKING

import msgspec
from tests.doors.matrix import table, world
from tests.rooms.identity import people

from qucheng.core import audit, clock
from qucheng.identity import api_key, api_signature

if TYPE_CHECKING:
    import httpx
    from tests.doors.matrix import attempts

    from qucheng.identity.brand import Brand

JSON = "application/json"
ADJUSTMENT = {
    "reseller": world.RESELLER,
    "amount": {"amount": "1.00", "currency": "CNY"},
    "reason": "correction",
    "reference": "K-R-own-1",
    "note": "agreed by telephone",
}
MONEY_OF_ONE = {"amount": "1.00", "currency": "CNY"}
# of a product
CHANGE = {"name": "changed by a key"}
READING = frozenset(scope for scope, said in table.scopes().items() if "signed" not in said and scope != "any-key")
OWN_ROWS = frozenset(scope for scope in READING if "reseller" in table.scopes()[scope])
MONEY = frozenset(scope for scope, said in table.scopes().items() if "signed" in said)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """refused: the status that it gets everywhere, where the key itself is wrong."""

    name: str
    brand: world.Place
    scopes: frozenset[str]
    reseller: str | None = None
    issued: api_key.Issued | None = None
    token: str | None = None
    refused: int | None = None

    def bearer(self) -> str | None:
        return self.token or (self.issued.token if self.issued else None)


async def made(ground: attempts.Ground) -> tuple[Caller, ...]:
    own, other, now = ground.world.own, ground.world.other, clock.now()
    everything = READING | MONEY
    whole = Caller(name="key of the brand", brand="own", scopes=everything, issued=await issue(ground, own, everything))
    assert whole.issued is not None
    expired = await issue(ground, own, everything, now=now - dt.timedelta(days=9))
    revoked, renewed = await issue(ground, own, everything), await issue(ground, own, everything)
    by = await maker(ground, own)
    await api_key.revoke(brand_id=own.id, key_id=revoked.id, by=by, actor=audit.SYSTEM, now=now)
    await api_key.rotate(
        keys=ground.house.keys, brand_id=own.id, key_id=renewed.id, overlap=dt.timedelta(0), by=by, actor=audit.SYSTEM, now=now
    )
    elsewhere = await issue(ground, own, everything, networks=["192.0.2.1"])
    wrong = msgspec.structs.replace(
        whole.issued,
        token=whole.issued.token[:-4] + "AAAA",
        signing_secret="qcs_of_nobody",  # noqa: S106 - of nobody
    )
    return (
        whole,
        *[
            Caller(name=f"key of {name}", brand="own", reseller=name, scopes=OWN_ROWS, issued=await issue(ground, own, OWN_ROWS, reseller=name))
            for name, _ in world.PLACES
        ],
        Caller(name="key of another brand", brand="other", scopes=everything, issued=await issue(ground, other, everything)),
        Caller(
            name="key of another brand's reseller", brand="other", reseller=world.RESELLER, scopes=OWN_ROWS,
            issued=await issue(ground, other, OWN_ROWS, reseller=world.RESELLER),
        ),
        *[
            Caller(name=f"key for {scope} only", brand="own", scopes=frozenset({scope}), issued=await issue(ground, own, {scope}))
            for scope in ("orders.read", "journal.read")
        ],
        Caller(name="no key", brand="own", scopes=everything, refused=401),
        Caller(name="something else", brand="own", scopes=everything, token="qc_live_x", refused=401),  # noqa: S106
        Caller(name="wrong secret", brand="own", scopes=everything, issued=wrong, refused=401),
        Caller(name="expired key", brand="own", scopes=everything, issued=expired, refused=401),
        Caller(name="revoked key", brand="own", scopes=everything, issued=revoked, refused=401),
        Caller(name="secret before the newest", brand="own", scopes=everything, issued=renewed, refused=401),
        Caller(name="key from elsewhere", brand="own", scopes=everything, issued=elsewhere, refused=403),
    )  # fmt: skip


async def maker(ground: attempts.Ground, brand: Brand) -> uuid.UUID:
    place = "own" if brand is ground.world.own else "other"
    found = ground.world.named(f"owner of the {place} brand").user_id
    assert found is not None
    return found


async def issue(
    ground: attempts.Ground,
    brand: Brand,
    scopes: frozenset[str] | set[str],
    *,
    reseller: str | None = None,
    networks: list[str] | None = None,
    now: dt.datetime | None = None,
) -> api_key.Issued:
    """For a week."""
    begun = now or clock.now()
    return await api_key.create(
        keys=ground.house.keys,
        brand_id=brand.id,
        name="key of a test",
        mode="live",
        reseller=reseller,
        scopes=scopes,
        networks=networks or [],
        expires_at=begun + dt.timedelta(days=7),
        created_by=await maker(ground, brand),
        actor=audit.Actor(user_id=await maker(ground, brand), role="owner", network=people.HERE, request_id=None),
        now=begun,
    )


def asked(route: table.Route) -> dict[str, object]:
    """What a signed route is asked for; never the same twice, where something is done."""
    number = f"N-{uuid.uuid4().hex[:16]}"
    line = {"sku": "card", "quantity": 1, "gross": MONEY_OF_ONE}
    bodies: dict[str, dict[str, object]] = {
        "/api/v1/orders": {"orderNo": number, "channel": "web", "reseller": world.RESELLER, "lines": [line]},
        "/api/v1/orders/{order_no}/refunds": {
            "refundNo": number,
            "lines": [{"lineNo": "1", "quantity": 0, "amount": {"amount": "0.01", "currency": "CNY"}}],
        },
        "/api/v1/orders/{order_no}/fulfilments": {
            "lineNo": "1",
            "event": "redeemed",
            "quantity": 1,
            "at": dt.datetime.now(dt.UTC).isoformat(),
        },
        "/api/v1/reservations": {"sku": "card", "quantity": 1, "channel": "web", "reseller": world.RESELLER, "minutes": 5},
        "/api/v1/reservations/{reservation_id}": {},
        "/api/v1/cards/{card_id}/reveal": {"purpose": "delivery"},
        "/api/v1/claims": {"offer": "spring", "subject": number},
    }
    adjustment: dict[str, object] = {**ADJUSTMENT}
    return bodies.get(route.path, adjustment)


async def read(ground: attempts.Ground, caller: Caller, address: str) -> httpx.Response:
    ground.client.cookies.clear()
    token = caller.bearer()
    return await ground.client.get(
        address, headers={"accept": "*/*", **({"authorization": f"Bearer {token}"} if token is not None else {})}
    )


async def call(ground: attempts.Ground, route: table.Route, caller: Caller, address: str) -> httpx.Response:
    """As the route wants it: read, signed, or a change of whatever version there is."""
    if route.method == "GET":
        return await read(ground, caller, address)
    if route.permission in MONEY:
        return await sign(ground, caller.issued, address, asked(route), method=route.method)
    ground.client.cookies.clear()
    token = caller.bearer()
    named = {"if-match": "*", **({"authorization": f"Bearer {token}"} if token is not None else {})}
    return await ground.client.request(route.method, address, json=CHANGE, headers=named)


async def sign(
    ground: attempts.Ground, issued: api_key.Issued | None, address: str, sent: object, **changed: str
) -> httpx.Response:
    """changed: of what was signed, something else is sent: timestamp, nonce, body, signature, key. method: POST where it is not said."""
    body, idempotency_key = msgspec.json.encode(sent), str(uuid.uuid4())
    method = changed.get("method", "POST")
    request = api_signature.Signed(
        method=method,
        target=changed.get("signed_for", address),
        timestamp=changed.get("timestamp", str(int(time.time()))),
        nonce=changed.get("nonce", uuid.uuid4().hex),
        idempotency_key=idempotency_key,
        body=body,
        signature="",
    )
    ground.client.cookies.clear()
    headers = {"accept": JSON, "content-type": JSON, "idempotency-key": idempotency_key}
    if issued is not None:
        headers |= {
            "qucheng-key": changed.get("key", issued.id.hex),
            "qucheng-timestamp": request.timestamp,
            "qucheng-nonce": request.nonce,
            "qucheng-signature": changed.get("signature", api_signature.sign(request, issued.signing_secret or "")),
        }
    return await ground.client.request(
        method, address, content=changed["body"].encode() if "body" in changed else body, headers=headers
    )


def expected(route: table.Route, caller: Caller) -> int | None:
    """The status; None for a key that may."""
    if caller.refused is not None:
        return caller.refused
    if route.permission not in caller.scopes | {"any-key"}:
        return 401 if route.permission in MONEY else 403  # who has no secret to sign with is nobody there
    if not route.parameters or (caller.brand == "own" and caller.reseller in (None, world.RESELLER)):
        return None
    # resellers of two brands may have one code: it is another one then
    return None if route.path == "/api/v1/resellers/{code}" and caller.brand == "other" else 404


def marks(caller: Caller) -> tuple[str, ...]:
    """What no answer to this key may hold."""
    if caller.brand == "other":
        return world.BRAND_MARKS
    if caller.reseller == world.PARENT:
        return (world.BUYER, "name-of-R-own")
    return (world.BUYER, "name-of-R-own", *world.ORDER_MARKS) if caller.reseller in (world.CHILD, world.SIBLING) else ()
