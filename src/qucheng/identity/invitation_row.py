"""An invitation in the making: its token, its letter, its row. Who may have it made is decided elsewhere."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, crypto, db, errors, ids, letter
from qucheng.identity import user as users

if TYPE_CHECKING:
    from qucheng.identity import permissions

VALID_FOR = dt.timedelta(days=7)


class InvitationStandsError(errors.RefusedError):
    """The person has the role, is invited to it, or has been asked for."""

    code: ClassVar[str] = "invitation.stands"


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """Sealed for its own place and written nowhere yet. letter: lies ready, unsent."""

    id: uuid.UUID
    token_hash: bytes
    login_hash: bytes
    login_cipher: bytes
    letter: uuid.UUID


async def draw(
    *,
    keys: crypto.Keys,
    brand_id: uuid.UUID,
    login: str,
    role: permissions.Role,
    reseller: str | None,
    locale: Literal["zh-CN", "en"],
    now: dt.datetime,
) -> Drawn:
    """Inside the transaction that sends it or asks for it. Raises user.AddressMissingError and InvitationStandsError."""
    found, invitation_id, secret = users.address(login), ids.new_id(), crypto.token()
    fingerprint = users.login_hash(keys, found)
    await _require_free(brand_id, fingerprint, role, reseller)
    name = await db.connection().fetchval("SELECT name FROM brand")
    return Drawn(
        id=invitation_id,
        token_hash=crypto.token_hash(secret),
        login_hash=fingerprint,
        login_cipher=keys.seal(found.encode(), place=place(invitation_id)),
        letter=await letter.draft(
            keys=keys,
            kind="invitation",
            locale=locale,
            to=found,
            values={"token": token(brand_id, secret), "brand": name or "", "role": role},
            now=now,
        ),
    )


def place(invitation_id: uuid.UUID) -> str:
    """Where the address is sealed for."""
    return f"invitation.login/{invitation_id}"


def token(brand_id: uuid.UUID, secret: str) -> str:
    """The place is in the token: a brand's rows are visible only to who stands in it."""
    return base64.urlsafe_b64encode(brand_id.bytes).rstrip(b"=").decode() + "." + secret


async def _require_free(brand_id: uuid.UUID, fingerprint: bytes, role: permissions.Role, reseller: str | None) -> None:
    """A second click finds what the first has written: they wait for each other."""
    await db.connection().execute("SELECT lock_brand($1, 'membership')", brand_id)
    stands = await db.connection().fetchval(
        "SELECT EXISTS (SELECT 1 FROM invitation WHERE login_hash = $1 AND role = $2 AND reseller IS NOT DISTINCT FROM $3"
        "   AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > clock_timestamp())"
        " OR EXISTS (SELECT 1 FROM membership m JOIN person p ON p.id = m.user_id WHERE p.login_hash = $1 AND m.role = $2"
        "   AND m.reseller IS NOT DISTINCT FROM $3 AND m.revoked_at IS NULL)"
        " OR EXISTS (SELECT 1 FROM role_request q JOIN approval a ON a.brand_id = q.brand_id AND a.id = q.approval"
        "   WHERE q.login_hash = $1 AND q.role = $2 AND a.state IN ('waiting', 'approved') AND a.expires_at > clock_timestamp())",
        fingerprint,
        role,
        reseller,
    )
    if stands:
        raise InvitationStandsError("They have this role, are invited to it, or somebody has asked for them.")


async def send(
    *,
    brand_id: uuid.UUID,
    drawn: Drawn,
    role: permissions.Role,
    reseller: str | None,
    invited_by: uuid.UUID,
    approval: uuid.UUID | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """Inside the transaction that allows it."""
    await db.connection().execute(
        "INSERT INTO invitation (brand_id, id, token_hash, login_hash, login_cipher, role, reseller, invited_at, invited_by, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        brand_id,
        drawn.id,
        drawn.token_hash,
        drawn.login_hash,
        drawn.login_cipher,
        role,
        reseller,
        now,
        invited_by,
        now + VALID_FOR,
    )
    await letter.post(drawn.letter)
    await audit.record(
        brand_id=brand_id,
        actor=actor,
        action="invitation.send",
        subject=str(drawn.id),
        after={"role": role, "reseller": reseller},
        approval=approval,
    )
