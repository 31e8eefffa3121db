"""An application decided: a reseller made of it in one transaction, or a reason why not."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import audit, db, errors
from qucheng.identity import invitation as invitations
from qucheng.network import application, attempt, identity_facts, placement, standing
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    import uuid

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

LONGEST_AHEAD = dt.timedelta(days=90)
LONGEST_IDENTITY = 200


class ApplicationStateError(errors.RefusedError):
    """It was decided already."""

    code: ClassVar[str] = "application.state"


class FirstWaitsError(errors.RefusedError):
    """Another application of the same person came before and waits: that one is decided first."""

    code: ClassVar[str] = "application.first_waits"


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """How the applicant is taken in. identity: as the brand's deliveries write it; blank for our own."""

    code: str
    name: str
    tier: str
    parent: str | None
    joined_on: dt.date
    channels: tuple[str, ...]
    identity: str = ""


def placed(chosen: Chosen) -> placement.Placed:
    return placement.Placed(reseller=chosen.code, parent=chosen.parent, tier=chosen.tier, day=chosen.joined_on, moved=False)


async def approve(
    *,
    keys: crypto.Keys,
    principal: permissions.Principal,
    brand: Brand,
    application_id: uuid.UUID,
    chosen: Chosen,
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """The reseller, where it sells, who it is, what it agreed to, and the invitation of its first person.

    day: today at the brand. Raises what makes the place, the code or the channels impossible, and ApplicationStateError.
    """
    if resellers.CODE.fullmatch(chosen.code) is None:
        raise resellers.ResellerUnfitError("code")
    async with placement.kept(brand, placed(chosen), actor), db.atomic(brand.id):
        await resellers.hold(brand.id)
        found = await _held(brand, application_id)
        await _require_first(found)
        # nobody has joined before it asked to
        if not _day(brand, found.applied_at) <= chosen.joined_on <= day + LONGEST_AHEAD:
            raise resellers.ResellerUnfitError("joined_on")
        if len(chosen.identity) > LONGEST_IDENTITY or not chosen.identity.isprintable():
            raise resellers.ResellerUnfitError("identity")
        await resellers.require_tier(chosen.tier)
        await placement.judge(brand, placed(chosen))
        facts = await application.sealed_facts(keys, application_id)
        identity = chosen.identity or found.identity_hash.hex()
        fields = {name: value for name, value in msgspec.structs.asdict(chosen).items() if name != "identity"}
        await resellers.create(brand_id=brand.id, wanted=resellers.Wanted(kind=found.kind, identity=identity, **fields))
        await _keep_who(keys, brand, found, chosen.code, facts, now)
        await _decide(brand, found, "approved", None, chosen.code, actor, now)
        await invitations.invite(
            keys=keys,
            principal=principal,
            brand_id=brand.id,
            login=facts.email,
            role="admin",
            reseller=chosen.code,
            locale=found.locale,
            actor=actor,
            now=now,
        )
        await application.write_letter(keys, brand, application_id, "application-approved", found.locale, facts.email, now)


async def reject(
    *,
    keys: crypto.Keys,
    brand: Brand,
    application_id: uuid.UUID,
    reason: str,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    """reason: its maker reads it. Raises standing.ReasonMissingError, blocklist.PromiseError and ApplicationStateError."""
    reason = standing.require_reason(reason)
    await attempt.require_honest(brand_id=brand.id, what="reseller.reason", subject=str(application_id), text=reason, actor=actor)
    async with db.atomic(brand.id):
        found = await _held(brand, application_id)
        facts = await application.sealed_facts(keys, application_id)
        await _decide(brand, found, "rejected", reason, None, actor, now)
        await application.write_letter(keys, brand, application_id, "application-rejected", found.locale, facts.email, now)


async def _held(brand: Brand, application_id: uuid.UUID) -> application.Application:
    """Two who decide at once: the second waits, and finds it decided."""
    await db.connection().execute("SELECT 1 FROM application WHERE id = $1 FOR UPDATE", application_id)
    found = await application.read(brand_id=brand.id, application_id=application_id)
    if found.state not in ("waiting", "repeated"):
        raise ApplicationStateError("This application was decided already.")
    return found


async def _require_first(found: application.Application) -> None:
    first = "SELECT EXISTS (SELECT 1 FROM application WHERE identity_hash = $1 AND state = 'waiting' AND id <> $2)"
    if await db.connection().fetchval(first, found.identity_hash, found.id):
        raise FirstWaitsError("The same person has applied before: decide that application first.")


async def _keep_who(
    keys: crypto.Keys,
    brand: Brand,
    found: application.Application,
    code: str,
    facts: identity_facts.Facts,
    now: dt.datetime,
) -> None:
    """Who the reseller is, and that it agreed with its application."""
    await db.connection().execute(
        "INSERT INTO reseller_identity (brand_id, reseller, facts_cipher, identity_hash, application, recorded_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        brand.id,
        code,
        identity_facts.sealed(keys, facts, place=identity_facts.place(brand.id, code)),
        found.identity_hash,
        found.id,
        now,
    )
    await db.connection().execute(
        "INSERT INTO agreement_acceptance (brand_id, number, reseller, sha256, accepted_at, application, address)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        brand.id,
        found.agreement,
        code,
        found.agreement_sha256,
        found.applied_at,
        found.id,
        found.address,
    )


async def _decide(
    brand: Brand,
    found: application.Application,
    state: application.State,
    reason: str | None,
    code: str | None,
    actor: audit.Actor,
    now: dt.datetime,
) -> None:
    await db.connection().execute(
        "UPDATE application SET state = $2, decided_at = $3, decided_by = $4, reason = $5, reseller = $6 WHERE id = $1",
        found.id,
        state,
        now,
        actor.user_id,
        reason,
        code,
    )
    after = {"state": state, "reason": reason, "reseller": code, "fee_minor": 0}
    await audit.record(
        brand_id=brand.id,
        actor=actor,
        action="application.decide",
        subject=str(found.id),
        before={"state": found.state},
        after=after,
    )


def _day(brand: Brand, moment: dt.datetime) -> dt.date:
    return moment.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
