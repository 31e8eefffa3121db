"""From when on something stands out, as a brand has set it; each setting is a version that stays."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.risk import rules

NAMES = tuple(rules.BOUNDS)
NEWEST = f"SELECT version, {', '.join(NAMES)}, set_at, set_by FROM risk_limits ORDER BY version DESC LIMIT 1"


class RiskLimitsError(errors.RefusedError):
    code: ClassVar[str] = "risk.limits"
    status: ClassVar[int] = 422


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """version: None where the brand has set nothing."""

    version: int | None = None
    limits: rules.Limits = rules.Limits()
    set_at: dt.datetime | None = None
    set_by: uuid.UUID | None = None


async def current(*, brand_id: uuid.UUID) -> Current:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(NEWEST)
    if row is None:
        return Current()
    limits = rules.Limits(**{name: row[name] for name in NAMES})
    return Current(version=row["version"], limits=limits, set_at=row["set_at"], set_by=row["set_by"])


async def change(*, brand_id: uuid.UUID, limits: rules.Limits, actor: audit.Actor, now: dt.datetime) -> int:
    """Returns the version that holds; the one before where nothing is different. Raises RiskLimitsError."""
    if beyond := rules.beyond(limits):
        raise RiskLimitsError(f"Out of bounds: {', '.join(beyond)}.")
    async with db.atomic(brand_id):
        await db.connection().execute("SELECT lock_brand($1, 'risk')", brand_id)
        before = await current(brand_id=brand_id)
        if before.limits == limits:
            return before.version or 0
        version = (before.version or 0) + 1
        places = ", ".join(f"${place}" for place in range(5, 5 + len(NAMES)))
        await db.connection().execute(
            f"INSERT INTO risk_limits (brand_id, version, set_at, set_by, {', '.join(NAMES)}) VALUES ($1, $2, $3, $4, {places})",
            brand_id,
            version,
            now,
            actor.user_id,
            *(getattr(limits, name) for name in NAMES),
        )
        await audit.record(
            brand_id=brand_id,
            actor=actor,
            action="risk.limits",
            subject=str(version),
            before=msgspec.to_builtins(before.limits),
            after=msgspec.to_builtins(limits),
        )
    return version
