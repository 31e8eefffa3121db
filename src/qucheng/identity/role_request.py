"""A role of the brand's own people: one asks for it, another allows it, and then the invitation goes out.

The approval names the address by its fingerprint, so that neither the request nor the trail tells it; whoever decides reads it
here, opened with the installation's keys. The invitation lies ready from the beginning: nothing of it is made up afterwards.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import audit, db
from qucheng.identity import approval as approvals
from qucheng.identity import invitation_row, permissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

    from qucheng.core import crypto

ACTION = "role.grant"
MOST = 100


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """As whoever decides it reads it. approval: its id."""

    approval: uuid.UUID
    login: str
    role: permissions.Role
    maker: uuid.UUID
    state: approvals.State
    requested_at: dt.datetime
    expires_at: dt.datetime


async def ask(
    *,
    keys: crypto.Keys,
    principal: permissions.Principal,
    login: str,
    role: permissions.Role,
    locale: Literal["zh-CN", "en"],
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Asks in the principal's brand; returns the approval's id. The letter waits with it."""
    if principal.brand_id is None or role not in permissions.BRAND_ROLES:
        raise approvals.NotAllowedToAskError("Your role does not ask for this.")
    async with db.atomic(principal.brand_id):
        drawn = await invitation_row.draw(
            keys=keys, brand_id=principal.brand_id, login=login, role=role, reseller=None, locale=locale, now=now
        )
        asked = {"role": role, "invitation": str(drawn.id), "login": drawn.login_hash.hex()}
        approval_id = await approvals.request(principal=principal, action=ACTION, payload=asked, actor=actor)
        await db.connection().execute(
            "INSERT INTO role_request (brand_id, approval, invitation, token_hash, login_hash, login_cipher, role, letter)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            principal.brand_id,
            approval_id,
            drawn.id,
            drawn.token_hash,
            drawn.login_hash,
            drawn.login_cipher,
            role,
            drawn.letter,
        )
    return approval_id


async def execute(*, brand_id: uuid.UUID, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> uuid.UUID:
    """Uses the approval up and sends the invitation that was asked for; returns its id. What was frozen is done, and nothing else."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow("SELECT * FROM role_request WHERE approval = $1", approval.id)
        if row is None:
            raise approvals.ApprovalDiffersError("There is no invitation that waits for this: ask for it again.")
        used = await approvals.consume(brand_id=brand_id, approval_id=approval.id, action=ACTION, payload=_payload(row))
        drawn = invitation_row.Drawn(
            id=row["invitation"],
            token_hash=row["token_hash"],
            login_hash=row["login_hash"],
            login_cipher=row["login_cipher"],
            letter=row["letter"],
        )
        await invitation_row.send(
            brand_id=brand_id,
            drawn=drawn,
            role=row["role"],
            reseller=None,
            invited_by=used.maker,
            approval=approval.id,
            actor=actor,
            now=now,
        )
    return drawn.id


def _payload(row: asyncpg.Record) -> Mapping[str, str]:
    return {"role": row["role"], "invitation": str(row["invitation"]), "login": row["login_hash"].hex()}


async def read(*, keys: crypto.Keys, brand_id: uuid.UUID, approval_id: uuid.UUID) -> Request:
    """Raises approval.ApprovalUnknownError."""
    found = await _listing(keys, brand_id, "a.id = $1", approval_id)
    if not found:
        raise approvals.ApprovalUnknownError("There is no such request.")
    return found[0]


async def waiting(*, keys: crypto.Keys, brand_id: uuid.UUID) -> list[Request]:
    """Those that are still to be decided in time, the oldest first."""
    return await _listing(keys, brand_id, "a.state = $1 AND a.expires_at > clock_timestamp()", "waiting")


async def _listing(keys: crypto.Keys, brand_id: uuid.UUID, condition: str, value: object) -> list[Request]:
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            "SELECT q.approval, q.invitation, q.login_cipher, q.role, a.maker, a.state, a.requested_at, a.expires_at"
            f" FROM role_request q JOIN approval a ON a.brand_id = q.brand_id AND a.id = q.approval WHERE {condition}"
            " ORDER BY a.requested_at, a.id LIMIT $2",
            value,
            MOST,
        )
    return [
        Request(
            login=keys.open(row["login_cipher"], place=invitation_row.place(row["invitation"])).decode(),
            **{name: value for name, value in dict(row).items() if name not in {"login_cipher", "invitation"}},
        )
        for row in rows
    ]
