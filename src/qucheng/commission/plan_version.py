"""Versions of a brand's plan as they are read: what is in force on a day, what a version holds, and how two differ."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.commission import plan_rates
from qucheng.commission.plan_words import PlanRule
from qucheng.core import db, errors

if TYPE_CHECKING:
    import asyncpg

    from qucheng.identity.brand import Brand

State = Literal["draft", "submitted", "approved", "discarded"]
COLUMNS = """
    v.number, v.state, v.name, v.based_on, v.follows, v.effective_on, coalesce(v.author, v.opened_by) AS author, v.opened_at AS created_at,
    v.author AS submitted_by, v.submitted_at, v.approval, v.approver, v.approved_at, v.sha256, v.document,
    EXISTS (SELECT 1 FROM plan_certificate c WHERE c.brand_id = v.brand_id AND c.version = v.number) AS certificate"""
LAST_NUMBER = 2**31 - 1
FIELDS = "code, kind, level, sku, category, channel, tier, basis, rate_text, priority, starts_on, ends_on"
IN_FORCE = "(starts_on IS NULL OR starts_on <= $1) AND (ends_on IS NULL OR $1 < ends_on)"
# what a new version starts from: rules that no version has dropped, and whose own end is not past
STANDING = f"""
    SELECT {", ".join(f"t.{name}" for name in FIELDS.split(", "))} FROM brand b JOIN rule_term t ON t.brand_id = b.id
    WHERE t.dropped_on IS NULL AND (t.ends_on IS NULL OR t.ends_on > ($1::timestamptz AT TIME ZONE b.time_zone)::date) ORDER BY t.code"""


class PlanUnknownError(errors.RefusedError):
    code: ClassVar[str] = "plan.unknown"
    status: ClassVar[int] = 404


class CertificateNotReadyError(errors.RefusedError):
    """The version is not approved, or its certificate is being made."""

    code: ClassVar[str] = "plan.certificate_not_ready"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """based_on: the version whose rules it started from, None for those in force then. follows: the newest approved one before it.

    author: who submitted it, before that who opened it. document: the plan word for word, since it was submitted. certificate:
    whether its paper is there.
    """

    number: int
    state: State
    name: str | None
    based_on: int | None
    follows: int | None
    effective_on: dt.date | None
    author: uuid.UUID
    created_at: dt.datetime
    submitted_by: uuid.UUID | None
    submitted_at: dt.datetime | None
    approval: uuid.UUID | None
    approver: uuid.UUID | None
    approved_at: dt.datetime | None
    sha256: str | None
    document: str | None
    certificate: bool


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force on a day. version: None while it is what the bundles brought. next: approved, and not in force yet."""

    version: Version | None
    next: Version | None
    rules: list[PlanRule]


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """changed: a rule and the one that takes its place."""

    added: list[PlanRule]
    dropped: list[PlanRule]
    changed: list[tuple[PlanRule, PlanRule]]
    kept: list[PlanRule]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    file_name: str
    pdf: bytes
    sha256: str


async def versions(*, brand: Brand) -> list[Version]:
    """The newest first."""
    async with db.atomic(brand.id):
        rows = await db.connection().fetch(f"SELECT {COLUMNS} FROM plan_version v ORDER BY v.number DESC")
    return [Version(**dict(row)) for row in rows]


async def read(*, brand: Brand, number: int) -> Version:
    """Raises PlanUnknownError."""
    async with db.atomic(brand.id):
        found = f"SELECT {COLUMNS} FROM plan_version v WHERE v.number = $1"
        row = await db.connection().fetchrow(found, number) if number <= LAST_NUMBER else None
    if row is None:
        raise PlanUnknownError(f"There is no version {number} of this plan.")
    return Version(**dict(row))


async def rules(*, brand: Brand, number: int) -> list[PlanRule]:
    """The whole plan of the version, by code. A rule's own dates: what is new in it begins with the version all the same."""
    async with db.atomic(brand.id):
        await read(brand=brand, number=number)
        rows = await db.connection().fetch(
            f"SELECT {FIELDS}, event, reads FROM plan_draft_rule WHERE version = $1 ORDER BY code", number
        )
    return [plan_rule(row, brand) for row in rows]


async def live(*, brand: Brand, day: dt.date) -> Live:
    """What a sale paid on that local day earns by, as it is known now."""
    async with db.atomic(brand.id):
        found = await db.connection().fetch(f"SELECT {FIELDS} FROM rule_term WHERE {IN_FORCE} ORDER BY code", day)
        approved = [each for each in await versions(brand=brand) if each.state == "approved" and each.effective_on is not None]
    begun = [each for each in approved if each.effective_on is not None and each.effective_on <= day]
    coming = [each for each in approved if each.effective_on is not None and each.effective_on > day]
    return Live(
        version=begun[0] if begun else None,
        next=coming[-1] if coming else None,
        rules=[plan_rule(row, brand) for row in found],
    )


async def standing(*, brand: Brand, since: dt.datetime) -> list[PlanRule]:
    """What a version starts from that was opened at that instant."""
    async with db.atomic(brand.id):
        return [plan_rule(row, brand) for row in await db.connection().fetch(STANDING, since)]


async def compare(*, brand: Brand, before: int | None, after: int) -> Differences:
    """before: None for the plan that the version takes the place of."""
    async with db.atomic(brand.id):
        version = await read(brand=brand, number=after)
        new = {rule.code: rule for rule in await rules(brand=brand, number=after)}
        if before is None:
            old = await _replaced_by(brand, version)
        else:
            old = {rule.code: rule for rule in await rules(brand=brand, number=before)}
        rows = await db.connection().fetch(
            "SELECT DISTINCT code, replaces FROM plan_draft_rule d WHERE replaces IS NOT NULL AND (version = $1 OR EXISTS"
            " (SELECT 1 FROM plan_version v WHERE v.number = d.version AND v.state = 'approved'))",
            after,
        )
    return _differences(old, new, {row["code"]: row["replaces"] for row in rows})


async def _replaced_by(brand: Brand, version: Version) -> dict[str, PlanRule]:
    """The rules of which the version keeps some and drops the others."""
    if version.state == "approved":
        condition = "e.plan_version IS NULL OR e.plan_version >= $1"
        known = (
            "AND (t.plan_version IS NULL OR t.plan_version < $1) AND (t.own_ends_on IS NULL OR t.own_ends_on > v.effective_on)"
        )
    else:
        condition, known = "e.rule IS NULL", "AND (t.ends_on IS NULL OR t.ends_on > (v.opened_at AT TIME ZONE b.time_zone)::date)"
    rows = await db.connection().fetch(
        f"""SELECT {", ".join(f"t.{name}" if name != "ends_on" else "t.own_ends_on AS ends_on" for name in FIELDS.split(", "))}
            FROM brand b JOIN plan_version v ON v.brand_id = b.id JOIN rule_term t ON t.brand_id = v.brand_id LEFT JOIN rule_end e ON e.brand_id = t.brand_id AND e.rule = t.code
            WHERE v.number = $1 AND ({condition}) {known} ORDER BY t.code""",
        version.number,
    )
    return {row["code"]: plan_rule(row, brand) for row in rows}


def _differences(old: dict[str, PlanRule], new: dict[str, PlanRule], replaces: dict[str, str]) -> Differences:
    changed: dict[str, str] = {}
    for code in new:
        earlier: str | None = code
        while earlier is not None and earlier not in old:
            earlier = replaces.get(earlier)
        if earlier is not None and earlier != code and earlier not in new:
            changed[code] = earlier
    gone = set(changed.values())
    return Differences(
        added=[rule for code, rule in new.items() if code not in old and code not in changed],
        dropped=[rule for code, rule in old.items() if code not in new and code not in gone],
        changed=[(old[earlier], new[code]) for code, earlier in changed.items()],
        kept=[rule for code, rule in new.items() if code in old],
    )


async def certificate(*, brand: Brand, number: int) -> Certificate:
    """Raises PlanUnknownError, CertificateNotReadyError."""
    async with db.atomic(brand.id):
        await read(brand=brand, number=number)
        row = await db.connection().fetchrow("SELECT pdf, sha256 FROM plan_certificate WHERE version = $1", number)
    if row is None:
        raise CertificateNotReadyError("The certificate is made when the version has been approved; it is not there yet.")
    return Certificate(file_name=f"{brand.code}-plan-{number}.pdf", pdf=row["pdf"], sha256=row["sha256"])


def plan_rule(row: asyncpg.Record, brand: Brand) -> PlanRule:
    """Of a stored rule or a row of a draft."""
    fields = {name: row[name] for name in row.keys() if name in PlanRule.__struct_fields__}  # noqa: SIM118 - a record is no mapping
    fields["rate_text"] = row["rate_text"] or ""
    rate = plan_rates.parsed(row["kind"], row["basis"], fields["rate_text"], brand.decimals)
    return PlanRule(**{**fields, "rate_ppm": rate.ppm, "rate_minor": rate.minor, "brackets": rate.brackets})
