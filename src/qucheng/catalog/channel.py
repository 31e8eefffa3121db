"""Channels: where it is sold. A reseller earns in an agency channel; in a wholesale channel it is the buyer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg

from qucheng.catalog import rules
from qucheng.core import audit, db, errors
from qucheng.network import attempt

if TYPE_CHECKING:
    import uuid

Kind = Literal["agency", "wholesale"]
KINDS: tuple[Kind, ...] = ("agency", "wholesale")
Deviation = Literal["flag", "refuse"]
DEVIATIONS: tuple[Deviation, ...] = ("flag", "refuse")
# an import holds the lock that a change of the kind waits for
PATIENCE = "3s"


class ChannelUnknownError(errors.RefusedError):
    code: ClassVar[str] = "channel.unknown"
    status: ClassVar[int] = 404


class ChannelTakenError(errors.RefusedError):
    """There is a channel of this code."""

    code: ClassVar[str] = "channel.taken"


class ChannelStaleError(errors.RefusedError):
    """It was changed since it was seen."""

    code: ClassVar[str] = "channel.stale"


class ChannelSoldError(errors.RefusedError):
    """Something was sold in it: what it is stays."""

    code: ClassVar[str] = "channel.sold"


class ChannelBusyError(errors.RefusedError):
    """A delivery is being taken in."""

    code: ClassVar[str] = "channel.busy"
    status: ClassVar[int] = 503
    retry_after: ClassVar[int] = 30


class ChannelUnfitError(errors.RefusedError):
    """fields: what is wrong of what was said."""

    code: ClassVar[str] = "channel.unfit"
    status: ClassVar[int] = 422

    def __init__(self, fields: list[str]) -> None:
        super().__init__(f"This can't be said of a channel: {', '.join(fields)}.")
        self.fields = fields


async def add(*, staged: str) -> None:
    await db.connection().execute(
        f"INSERT INTO channel (brand_id, code, name, kind) SELECT current_brand(), code, name, kind FROM {staged} WHERE fault IS NULL"
    )


def _require_fit(name: str, kind: str, deviation: str, code: str = "any") -> None:
    """code: of a new one; a bundle's may be what a new one may not."""
    fit = {
        "code": rules.is_code(code),
        "name": rules.is_line(name),
        "kind": kind in KINDS,
        "deviation": deviation in DEVIATIONS,
    }
    if not all(fit.values()):
        raise ChannelUnfitError([field for field, good in fit.items() if not good])


async def create(*, brand_id: uuid.UUID, code: str, name: str, kind: Kind, deviation: Deviation, actor: audit.Actor) -> None:
    """Raises ChannelUnfitError, ChannelTakenError, and blocklist.PromiseError where its name promises an income."""
    _require_fit(name, kind, deviation, code)
    await attempt.require_honest(brand_id=brand_id, what="channel.name", subject=code, text=name, actor=actor)
    async with db.atomic(brand_id):
        made = await db.connection().fetchval(
            "INSERT INTO channel (brand_id, code, name, kind, deviation) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1",
            brand_id,
            code,
            name,
            kind,
            deviation,
        )
        if made is None:
            raise ChannelTakenError(f"There is a channel {code} already.")
        after = {"name": name, "kind": kind, "deviation": deviation}
        await audit.record(brand_id=brand_id, actor=actor, action="channel.create", subject=code, after=after)


async def change(
    *, brand_id: uuid.UUID, code: str, seen: int, name: str, kind: Kind, deviation: Deviation, actor: audit.Actor
) -> None:
    """Raises ChannelUnknownError, ChannelStaleError, ChannelUnfitError, blocklist.PromiseError; ChannelSoldError and ChannelBusyError of its kind."""
    _require_fit(name, kind, deviation)
    await attempt.require_honest(brand_id=brand_id, what="channel.name", subject=code, text=name, actor=actor)
    try:
        async with db.atomic(brand_id):
            await db.connection().execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            row = await db.connection().fetchrow(
                "SELECT name, kind, deviation, revision FROM channel WHERE code = $1 FOR UPDATE", code
            )
            if row is None:
                raise ChannelUnknownError(f"There is no channel {code}.")
            if row["revision"] != seen:
                raise ChannelStaleError(f"The channel {code} was changed meanwhile.")
            wanted = {"name": name, "kind": kind, "deviation": deviation}
            changed = {field: value for field, value in wanted.items() if row[field] != value}
            if not changed:
                return
            await db.connection().execute(
                "UPDATE channel SET name = $2, kind = $3, deviation = $4 WHERE code = $1", code, name, kind, deviation
            )
            before = {field: row[field] for field in changed}
            await audit.record(
                brand_id=brand_id, actor=actor, action="channel.change", subject=code, before=before, after=changed
            )
    except asyncpg.RestrictViolationError as error:
        if error.constraint_name != "channel_kind_kept":
            raise
        raise ChannelSoldError(f"Something was sold in {code}: it stays what it is.") from None
    except asyncpg.LockNotAvailableError:
        raise ChannelBusyError("A delivery is being taken in: try again when it is in the books.") from None
