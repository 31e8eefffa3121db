"""Alerts, as the pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import db, errors
from qucheng.risk import rules

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    import asyncpg

SHOWN = """
    SELECT a.id, a.rule, a.subject, a.reseller, r.name AS reseller_name, a.starts_at, a.ends_at, a.evidence::text, a.limits, a.found_at, a.state,
           a.reason, a.decided_by, a.decided_at
    FROM risk_alert a LEFT JOIN reseller r ON r.brand_id = a.brand_id AND r.code = a.reseller"""
CHOSEN = "($1::text IS NULL OR a.state = $1) AND ($2::text IS NULL OR a.rule = $2) AND ($3::text IS NULL OR a.reseller = $3)"


class AlertUnknownError(errors.RefusedError):
    code: ClassVar[str] = "risk.unknown"
    status: ClassVar[int] = 404


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """None: any."""

    state: rules.State | None = None
    rule: rules.Rule | None = None
    reseller: str | None = None


class Alert(rules.Finding, frozen=True, kw_only=True):
    """limits: the version by which it was found, None for the product's own."""

    id: uuid.UUID
    reseller_name: str | None
    limits: int | None
    found_at: dt.datetime
    state: rules.State
    reason: str | None
    decided_by: uuid.UUID | None
    decided_at: dt.datetime | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """total: of all that were chosen. counts: of each state, whatever was chosen."""

    alerts: list[Alert]
    total: int
    counts: dict[str, int]


async def page(*, brand_id: uuid.UUID, chosen: Chosen, size: int, number: int = 1) -> Page:
    """The open ones first, of them the newest."""
    values = (chosen.state, chosen.rule, chosen.reseller)
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"{SHOWN} WHERE {CHOSEN} ORDER BY a.state <> 'open', a.found_at DESC, a.id DESC LIMIT $4 OFFSET $5",
            *values,
            size,
            (number - 1) * size,
        )
        total = await db.connection().fetchval(f"SELECT count(*) FROM risk_alert a WHERE {CHOSEN}", *values)
        counts = await db.connection().fetch("SELECT state, count(*) AS alerts FROM risk_alert GROUP BY state")
    return Page(alerts=[_alert(row) for row in rows], total=total, counts={row["state"]: row["alerts"] for row in counts})


async def read(*, brand_id: uuid.UUID, alert_id: uuid.UUID) -> Alert:
    """Raises AlertUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"{SHOWN} WHERE a.id = $1", alert_id)
    if row is None:
        raise AlertUnknownError(f"There is no alert {alert_id}.")
    return _alert(row)


def _alert(row: asyncpg.Record) -> Alert:
    return Alert(**{**dict(row), "evidence": msgspec.json.decode(row["evidence"])})
