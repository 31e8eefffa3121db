"""A request decided: allowed and done in one transaction, or rejected. What cannot be done is not allowed either."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qucheng.catalog import price_publish
from qucheng.commission import plan_publish, price_plan
from qucheng.core import audit, db
from qucheng.identity import approval as approvals
from qucheng.identity import brand as brands
from qucheng.identity import legal_opinion, permissions, policy_value
from qucheng.identity import membership as memberships
from qucheng.redemption import reversal
from qucheng.settlement import adjustment, issuance, late_reversal

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.identity.brand import Brand

MOST_BRANDS = 1000


class Executor(Protocol):
    """Does what was allowed, and uses the approval up with it."""

    async def __call__(self, *, brand: Brand, approval: approvals.Approval, actor: audit.Actor, now: dt.datetime) -> None: ...


EXECUTORS: dict[str, Executor] = {
    price_publish.ACTION: price_plan.execute,
    issuance.ACTION: issuance.execute,
    "adjustment.add": adjustment.execute,
    "role.grant": memberships.execute_grant,
    plan_publish.ACTION: plan_publish.execute,
    legal_opinion.ACTION: legal_opinion.execute,
    policy_value.ACTION: policy_value.execute,
    reversal.ACTION: late_reversal.execute,
}


async def decide(
    *,
    principal: permissions.Principal,
    brand_id: uuid.UUID,
    approval_id: uuid.UUID,
    approve: bool,
    reason: str,
    actor: audit.Actor,
    now: dt.datetime,
) -> approvals.Approval:
    """Returns the request as it then is. reason: why it is rejected.

    A refusal of what was to be done leaves the request waiting: nothing of the decision is kept.
    """
    if not approve:
        return await approvals.reject(principal=principal, brand_id=brand_id, approval_id=approval_id, reason=reason, actor=actor)
    async with db.atomic(brand_id):
        allowed = await approvals.approve(principal=principal, brand_id=brand_id, approval_id=approval_id, actor=actor)
        await EXECUTORS[allowed.action](brand=await brands.read(brand_id), approval=allowed, actor=actor, now=now)
        return await approvals.read(brand_id=brand_id, approval_id=approval_id)


async def waits_for_operator(*, brand_id: uuid.UUID, asked: approvals.Approval) -> bool:
    """Whether the brand has nobody besides the one who asks who could decide it."""
    roles = [role for role in permissions.holders(permissions.APPROVALS[asked.action][1]) if role != "operator"]
    async with db.atomic(brand_id):
        others: int = await db.connection().fetchval("SELECT other_checkers($1, $2, $3)", brand_id, roles, asked.maker)
    return asked.state == "waiting" and asked.live and others == 0


async def for_operator() -> list[tuple[Brand, approvals.Approval]]:
    """What waits in brands that have nobody else, brand by brand."""
    found = []
    for brand_id, _code in (await brands.every())[:MOST_BRANDS]:
        waiting = await approvals.listing(brand_id=brand_id, states=("waiting",))
        left = [asked for asked in waiting if await waits_for_operator(brand_id=brand_id, asked=asked)]
        brand = await brands.read(brand_id) if left else None
        found += [(brand, asked) for asked in left if brand is not None]
    return found
