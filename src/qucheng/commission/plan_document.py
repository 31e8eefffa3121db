"""What is asked for with a version: the plan word for word, the policy it stands under, and what the linter found. One text for it."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from qucheng.commission import linter
from qucheng.core import db
from qucheng.identity import approval as approvals
from qucheng.identity import policy_value

if TYPE_CHECKING:
    import uuid

    from qucheng.commission.plan_check import Check
    from qucheng.commission.plan_version import Differences, Version
    from qucheng.identity.brand import Brand

OPINION = """
    SELECT reference, expires_on FROM legal_opinion WHERE starts_on <= $1 AND $1 < expires_on ORDER BY number DESC LIMIT 1"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """document: canonical JSON. payload: what the approval is of."""

    effective_on: dt.date
    document: str
    sha256: str
    payload: dict[str, Any]


async def write(
    *, brand: Brand, version: Version, author: uuid.UUID, effective_on: dt.date, differences: Differences, check: Check
) -> Asked:
    """Stands inside atomic(). The rules are the database's own text of the draft, which it compares when the version is submitted."""
    rules = await db.connection().fetchval("SELECT plan_rules(current_brand(), $1)::text", version.number)
    worst = msgspec.to_builtins(check.worst)
    said = {
        "brand": brand.code,
        "currency": brand.currency,
        "version": version.number,
        "name": version.name,
        "based_on": version.based_on,
        "follows": version.follows,
        "effective_on": effective_on,
        "author": author,
        "rules": msgspec.json.decode(rules),
        "added": sorted([rule.code for rule in differences.added] + [new.code for _, new in differences.changed]),
        "dropped": sorted([rule.code for rule in differences.dropped] + [old.code for old, _ in differences.changed]),
        "policy": await _policy(brand, effective_on),
        "check": {
            "worst": worst,
            "since": check.since,
            "rules": check.rules,
            "skus": check.skus,
            "channels": check.channels,
            "tiers": check.tiers,
        },
    }
    document = approvals.canonical(said)
    sha256 = hashlib.sha256(document.encode()).hexdigest()
    return Asked(effective_on=effective_on, document=document, sha256=sha256, payload=_payload(said, sha256))


def payload(version: Version) -> dict[str, Any]:
    """Of a version that was submitted: what its approval is of."""
    return _payload(msgspec.json.decode(version.document or "{}"), version.sha256 or "")


def _payload(said: dict[str, Any], sha256: str) -> dict[str, Any]:
    worst = said["check"]["worst"]
    return {
        "version": said["version"],
        "sha256": sha256,
        "effective_on": str(said["effective_on"]),
        "based_on": said["based_on"],
        "added": said["added"],
        "dropped": said["dropped"],
        "worst_ppm": worst["rate_ppm"] if worst else None,
        "rules": len(said["rules"]),
    }


async def _policy(brand: Brand, day: dt.date) -> dict[str, Any]:
    """As it stands on the plan's first day, with the opinion that covers it."""
    brand = await policy_value.on(brand, day)
    preset = linter.preset(brand.policy)
    row = await db.connection().fetchrow(OPINION, day)
    held = brand.expires_on is not None and day < brand.expires_on
    return {
        "id": brand.policy,
        "source": preset["source"],
        "valid_from": preset["valid_from"],
        "approved_by": preset["approved_by"],
        "max_depth": brand.max_depth,
        "max_levels": brand.max_levels,
        "max_total_rate_ppm": brand.max_total_rate_ppm,
        "legal_opinion": row["reference"] if row is not None else brand.legal_opinion if held else None,
        "expires_on": row["expires_on"] if row is not None else brand.expires_on if held else None,
    }
