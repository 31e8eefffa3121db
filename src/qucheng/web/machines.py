"""Who calls `/api/v1`: a key, by its token or by a signature; and how often it may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib import parse

import msgspec

from qucheng.core import audit, clock, errors, limits
from qucheng.identity import api_caller, api_signature
from qucheng.web import auth
from qucheng.web import site as sites

if TYPE_CHECKING:
    from litestar import Request
    from litestar.connection import ASGIConnection

ANY_KEY = "any-key"
CALLS = limits.Limit(name="api", count=600, seconds=60)
# what moves money is not done where nobody counts
MONEY = limits.Limit(name="api-money", count=120, seconds=60, closed_when_down=True)
# an order is a sale that was paid: it is taken in whoever counts
ORDERS = limits.Limit(name="api-orders", count=1200, seconds=60)
# for the people of a brand's app, all behind one key
CLAIMS = limits.Limit(name="api-claims", count=60_000, seconds=60, closed_when_down=True)
TRUSTED = "orders.write"
SIGNED = {"orders.write": ORDERS, "claims.write": CLAIMS}
STRANGERS = limits.Limit(name="api-stranger", count=60, seconds=60)
BEARER, SIGNATURE = 'Bearer realm="qucheng"', 'Qucheng-HMAC-SHA256 realm="qucheng"'
JSON = "application/json"


class ScopeError(errors.RefusedError):
    """The key is for something else."""

    code: ClassVar[str] = "api_key.scope"
    status: ClassVar[int] = 403


class NotAcceptableError(errors.RefusedError):
    code: ClassVar[str] = "request.accept"
    status: ClassVar[int] = 406


class Visit(msgspec.Struct, kw_only=True):
    """What was found out about a request before its handler: filled in as far as it came."""

    caller: api_caller.Caller | None = None
    limit: limits.Limit | None = None
    decision: limits.Decision | None = None
    challenge: str | None = None


async def admit(request: Request[Any, Any, Any], *, scope: str, signed: bool) -> None:
    """Raises what api_caller raises, ScopeError, LimitedError, and LimiterDownError for what moves money."""
    visit = Visit(challenge=SIGNATURE if signed else BEARER)
    request.scope["state"]["machine"] = visit
    try:
        by_token = not signed or (scope == TRUSTED and "qucheng-signature" not in request.headers)
        visit.caller = await (_bearer(request, moving=signed) if by_token else _signed(request))
    except api_caller.NotKnownError:
        await _count(request, visit, STRANGERS, auth.network(request))
        raise
    visit.challenge = None
    limit = SIGNED.get(scope, MONEY) if signed else CALLS
    await _count(request, visit, limit, str(visit.caller.key_id))
    if scope not in (ANY_KEY, *visit.caller.scopes):
        raise ScopeError(f"This key is not for {scope}: make one that is.")
    if request.headers.get("accept") and not request.accept.accepts(JSON) and "documents" not in scope:
        raise NotAcceptableError("This answers with JSON: accept application/json.")


async def _bearer(request: Request[Any, Any, Any], *, moving: bool) -> api_caller.Caller:
    """moving: its token alone is enough for this key."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = token.strip() if scheme.lower() == "bearer" else ""
    caller = await api_caller.by_token(token=found, address=_address(request), now=clock.now())
    if moving and not caller.bearer_orders:
        raise api_caller.NotKnownError("This needs a signature: send Qucheng-Key, -Timestamp, -Nonce and -Signature.")
    return caller


async def _signed(request: Request[Any, Any, Any]) -> api_caller.Caller:
    headers = request.headers
    signed = api_signature.Signed(
        method=request.method,
        target=target(request),
        timestamp=headers.get("qucheng-timestamp", ""),
        nonce=headers.get("qucheng-nonce", ""),
        idempotency_key=headers.get("idempotency-key", ""),
        body=await request.body(),
        signature=headers.get("qucheng-signature", ""),
    )
    key = headers.get("qucheng-key", "")
    return await api_caller.by_signature(
        keys=sites.of(request).keys, key=key, request=signed, address=_address(request), now=clock.now()
    )


def target(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Path and query as they stood on the request line."""
    raw: bytes = connection.scope.get("raw_path") or parse.quote(connection.scope["path"]).encode()
    asked = connection.scope["query_string"]
    return (raw.partition(b"?")[0] + (b"?" + asked if asked else b"")).decode("latin-1")


def _address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return connection.client.host if connection.client else ""


async def _count(request: Request[Any, Any, Any], visit: Visit, limit: limits.Limit, subject: str) -> None:
    decision = await sites.of(request).take(limit, subject=subject)
    visit.limit, visit.decision = limit, decision
    if not decision.allowed:
        raise limits.LimitedError(decision)


def caller(connection: ASGIConnection[Any, Any, Any, Any]) -> api_caller.Caller:
    """As the guard found it."""
    found: Visit = connection.scope["state"].get("machine", Visit())
    if found.caller is None:
        raise api_caller.NotKnownError("This needs a key.")
    return found.caller


def actor(connection: ASGIConnection[Any, Any, Any, Any]) -> audit.Actor:
    """A key acts for the person who made it."""
    return audit.Actor(
        user_id=caller(connection).created_by, role="key", network=auth.network(connection), request_id=auth.request_id()
    )


def headers(connection: ASGIConnection[Any, Any, Any, Any]) -> dict[str, str]:
    """What every answer says besides: how much is left, and how to prove who one is."""
    visit: Visit = connection.scope["state"].get("machine", Visit())
    found = {}
    if visit.limit is not None and visit.decision is not None and visit.decision.counted:
        found["ratelimit-policy"] = f'"{visit.limit.name}";q={visit.limit.count};w={visit.limit.seconds}'
        found["ratelimit"] = f'"{visit.limit.name}";r={visit.decision.remaining};t={visit.decision.reset_after}'
    if visit.challenge is not None:
        found["www-authenticate"] = visit.challenge
    return found
