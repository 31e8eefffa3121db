"""Where a brand's events go: endpoints made, paused, deleted and given new secrets by its owners. A secret is shown once.

An endpoint is active, paused (its events wait), disabled (its receiver answered that it is gone: nothing goes there any more until
somebody says so) or deleted (for good; what was sent there stays on record).
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, crypto, db, errors, ids, outbox, outside
from qucheng.identity import notification, webhook_lanes, webhook_message
from qucheng.identity import overlap as overlaps

if TYPE_CHECKING:
    from collections.abc import Collection

    import asyncpg

State = Literal["active", "paused", "disabled", "deleted"]
MOST = 10
TEST = "webhook.test"
SHOWN = "e.id, e.url, e.kinds, e.state, e.created_at, e.created_by, e.changed_at"
OLD_UNTIL = "(SELECT max(s.ends_at) FROM webhook_secret s WHERE s.brand_id = e.brand_id AND s.endpoint = e.id AND s.ends_at > $1) AS old_until"


class EndpointUnknownError(errors.RefusedError):
    code: ClassVar[str] = "webhook.unknown"
    status: ClassVar[int] = 404


class EndpointUnfitError(errors.RefusedError):
    """field: of the endpoint, what cannot be so."""

    code: ClassVar[str] = "webhook.unfit"
    status: ClassVar[int] = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class EndpointStateError(errors.RefusedError):
    """It is not in a state in which this can be done, or two of its secrets are good already."""

    code: ClassVar[str] = "webhook.state"


class TooManyEndpointsError(errors.RefusedError):
    code: ClassVar[str] = "webhook.too_many"


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """Shown once."""

    id: uuid.UUID
    secret: str


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """old_until: the secret before the newest signs as well until then; None where there is none."""

    id: uuid.UUID
    url: str
    kinds: tuple[str, ...]
    state: State
    created_at: dt.datetime
    created_by: uuid.UUID
    changed_at: dt.datetime
    old_until: dt.datetime | None


async def create(
    *,
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    url: str,
    kinds: Collection[str],
    allowed: Collection[str],
    created_by: uuid.UUID,
    actor: audit.Actor,
    now: dt.datetime,
) -> Issued:
    """Raises EndpointUnfitError, TooManyEndpointsError. allowed: networks that are reached though they are not public."""
    for refusal in unfit(url=url, kinds=kinds, allowed=allowed):
        raise refusal
    endpoint_id = ids.new_id()
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        if await db.connection().fetchval("SELECT count(*) FROM webhook_endpoint WHERE state <> 'deleted'") >= MOST:
            raise TooManyEndpointsError(f"A brand has {MOST} endpoints at most: delete one first.")
        await db.connection().execute(
            "INSERT INTO webhook_endpoint (brand_id, id, url, kinds, state, created_at, created_by, changed_at)"
            " VALUES ($1, $2, $3, $4, 'active', $5, $6, $5)",
            brand_id,
            endpoint_id,
            url.strip(),
            " ".join(sorted(kinds)),
            now,
            created_by,
        )
        secret = await _issue(keys, brand_id, endpoint_id, number=1, by=created_by, now=now)
        await _record(brand_id, actor, "create", endpoint_id, {"host": _host(url, allowed), "kinds": sorted(kinds)})
    return Issued(id=endpoint_id, secret=secret)


def unfit(*, url: str, kinds: Collection[str], allowed: Collection[str]) -> list[EndpointUnfitError]:
    """All that create() would refuse without asking the database."""
    found = []
    try:
        outside.target(url.strip(), allowed=allowed)
    except outside.UrlRefusedError as refusal:
        found.append(EndpointUnfitError("url", str(refusal)))
    if not kinds or not set(kinds) <= set(outbox.KINDS):
        found.append(EndpointUnfitError("kinds", "An endpoint is for something: choose what is sent there."))
    return found


async def rotate(
    *,
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    endpoint_id: uuid.UUID,
    overlap: dt.timedelta,
    by: uuid.UUID,
    actor: audit.Actor,
    now: dt.datetime,
) -> Issued:
    """A new secret; the one so far signs as well for the overlap. Raises EndpointStateError while an earlier overlap lasts."""
    overlaps.require(overlap)
    async with db.atomic(brand_id):
        await _locked(endpoint_id, but=("deleted",))
        rows = await db.connection().fetch("SELECT number, ends_at FROM webhook_secret WHERE endpoint = $1", endpoint_id)
        if any(row["ends_at"] is not None and row["ends_at"] > now for row in rows):
            raise EndpointStateError("Two secrets of this endpoint are good already: end the old one first.")
        newest = max(row["number"] for row in rows)
        await db.connection().execute(
            "UPDATE webhook_secret SET ends_at = greatest($3, issued_at) WHERE endpoint = $1 AND number = $2",
            endpoint_id,
            newest,
            now + overlap,
        )
        secret = await _issue(keys, brand_id, endpoint_id, number=newest + 1, by=by, now=now)
        await _record(brand_id, actor, "rotate", endpoint_id, {"number": newest + 1, "old_until": now + overlap})
    return Issued(id=endpoint_id, secret=secret)


async def end_old(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """The secret before the newest signs no more, from now on."""
    async with db.atomic(brand_id):
        await _locked(endpoint_id, but=("deleted",))
        status = await db.connection().execute(
            "UPDATE webhook_secret SET ends_at = greatest($2, issued_at) WHERE endpoint = $1 AND ends_at > $2", endpoint_id, now
        )
        if status == "UPDATE 0":
            raise EndpointStateError("Only one secret of this endpoint is good.")
        await _record(brand_id, actor, "end_old", endpoint_id)


async def pause(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """Its events wait from now on; what is being sent at the moment is."""
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        await _become(endpoint_id, "paused", only=("active",), now=now)
        await webhook_lanes.stand_back(endpoint_id)
        await _record(brand_id, actor, "pause", endpoint_id)


async def resume(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """A paused one goes on with what waited; a disabled one begins again, and what had been given up stays so until it is replayed."""
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        await _become(endpoint_id, "active", only=("paused", "disabled"), now=now)
        await webhook_lanes.advance_all(endpoint_id)
        await _record(brand_id, actor, "resume", endpoint_id)


async def disable(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, now: dt.datetime) -> None:
    """Its receiver is gone: what was to be sent there is given up, and the owners are told. Nothing where it is not active."""
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        row = await db.connection().fetchrow("SELECT url, state FROM webhook_endpoint WHERE id = $1 FOR UPDATE", endpoint_id)
        if row is None or row["state"] != "active":
            return
        await _become(endpoint_id, "disabled", only=("active",), now=now)
        await webhook_lanes.give_up(endpoint_id, "dead")
        await _record(brand_id, audit.SYSTEM, "disable", endpoint_id)
        await notification.tell(
            brand_id=brand_id,
            kind="webhook.disabled",
            subject=f"{endpoint_id}/{now:%Y%m%dT%H%M%S}",
            values={"endpoint": str(endpoint_id), "host": _host(row["url"], ())},
        )


async def delete(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, actor: audit.Actor, now: dt.datetime) -> None:
    """For good; what waited is not sent."""
    async with db.atomic(brand_id):
        await webhook_lanes.hold(brand_id)
        await _become(endpoint_id, "deleted", only=("active", "paused", "disabled"), now=now)
        await webhook_lanes.give_up(endpoint_id, "dropped")
        await db.connection().execute(
            "UPDATE webhook_secret SET ends_at = greatest($2, issued_at) WHERE endpoint = $1 AND (ends_at IS NULL OR ends_at > $2)",
            endpoint_id,
            now,
        )
        await _record(brand_id, actor, "delete", endpoint_id)


async def test(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, actor: audit.Actor) -> int:
    """Sends it an event that tells of nothing; returns the event's number. Behind no other: its subject is its own."""
    async with db.atomic(brand_id):
        await _locked(endpoint_id, but=("paused", "disabled", "deleted"))
        number = ids.new_id()
        event: int = await db.connection().fetchval(
            "INSERT INTO outbox_event (brand_id, id, kind, subject, data, pending)"
            " VALUES ($1, $2, $3, $4, jsonb_build_object('endpointId', $5::text), false) RETURNING seq",
            brand_id,
            number,
            TEST,
            str(number),
            str(endpoint_id),
        )
        await db.connection().execute(
            "INSERT INTO webhook_delivery (brand_id, endpoint, event, kind, subject, state, due_at)"
            " VALUES ($1, $2, $3, $4, $5, 'waiting', clock_timestamp())",
            brand_id,
            endpoint_id,
            event,
            TEST,
            str(number),
        )
        await _record(brand_id, actor, "test", endpoint_id)
    return event


async def listing(*, brand_id: uuid.UUID, now: dt.datetime, deleted: bool = False) -> list[Endpoint]:
    """The newest first. deleted: those as well."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {SHOWN}, {OLD_UNTIL} FROM webhook_endpoint e WHERE $2 OR e.state <> 'deleted' ORDER BY e.id DESC",
            now,
            deleted,
        )
    return [_endpoint(row) for row in rows]


async def read(*, brand_id: uuid.UUID, endpoint_id: uuid.UUID, now: dt.datetime) -> Endpoint:
    """Raises EndpointUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            f"SELECT {SHOWN}, {OLD_UNTIL} FROM webhook_endpoint e WHERE e.id = $2", now, endpoint_id
        )
    if row is None:
        raise EndpointUnknownError("There is no such endpoint.")
    return _endpoint(row)


def place(endpoint_id: uuid.UUID, number: int) -> str:
    """Where a secret is sealed for."""
    return f"webhook_secret/{endpoint_id}/{number}"


async def _issue(
    keys: crypto.Keys, brand_id: uuid.UUID, endpoint_id: uuid.UUID, *, number: int, by: uuid.UUID, now: dt.datetime
) -> str:
    secret = webhook_message.new_secret()
    await db.connection().execute(
        "INSERT INTO webhook_secret (brand_id, endpoint, number, cipher, issued_at, issued_by) VALUES ($1, $2, $3, $4, $5, $6)",
        brand_id,
        endpoint_id,
        number,
        keys.seal(secret.encode(), place=place(endpoint_id, number)),
        now,
        by,
    )
    return secret


async def _locked(endpoint_id: uuid.UUID, *, but: tuple[State, ...]) -> None:
    """Two who change an endpoint at once do so one after the other. Raises EndpointStateError in one of these states."""
    state = await db.connection().fetchval("SELECT state FROM webhook_endpoint WHERE id = $1 FOR UPDATE", endpoint_id)
    if state is None:
        raise EndpointUnknownError("There is no such endpoint.")
    if state in but:
        raise EndpointStateError(f"The endpoint is {state}.")


async def _become(endpoint_id: uuid.UUID, state: State, *, only: tuple[State, ...], now: dt.datetime) -> None:
    found: tuple[State, ...] = ("active", "paused", "disabled", "deleted")
    await _locked(endpoint_id, but=tuple(each for each in found if each not in only))
    await db.connection().execute(
        "UPDATE webhook_endpoint SET state = $2, changed_at = $3 WHERE id = $1", endpoint_id, state, now
    )


async def _record(
    brand_id: uuid.UUID, actor: audit.Actor, what: str, endpoint_id: uuid.UUID, after: dict[str, object] | None = None
) -> None:
    await audit.record(brand_id=brand_id, actor=actor, action=f"webhook.{what}", subject=str(endpoint_id), after=after)


def _host(url: str, allowed: Collection[str]) -> str:
    """What may be told of it: what stands behind the host may be a secret of the receiver's."""
    try:
        return outside.target(url.strip(), allowed=allowed).authority
    except outside.UrlRefusedError:  # an address that was allowed when it was made
        return url.removeprefix("https://").partition("/")[0]


def _endpoint(row: asyncpg.Record) -> Endpoint:
    return Endpoint(**{**dict(row), "kinds": tuple(row["kinds"].split())})
