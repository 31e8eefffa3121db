"""What a role may do. Every route names one of these permissions; what is not given here is given to nobody."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Literal

import msgspec

Role = Literal["operator", "owner", "manager", "accountant", "auditor", "support", "clerk", "admin", "seller"]
BRAND_ROLES: tuple[Role, ...] = ("owner", "manager", "accountant", "auditor", "support", "clerk")
RESELLER_ROLES: tuple[Role, ...] = ("admin", "seller")
# they move money or give rights: a second factor, half an hour without a click, a day at most
STRICT_ROLES: frozenset[Role] = frozenset({"operator", "owner", "manager", "accountant"})

# of everybody who is signed in, whatever the role
OWN_ACCOUNT = frozenset(
    {
        "account.read",
        "account.change",
        "sessions.read",
        "sessions.end",
        "memberships.choose",
        "notifications.read",
        "notifications.change",
    }
)
# of a session that has given the password and owes the second factor
ENROL = frozenset({"second_factor.enrol"})
CONFIRM = frozenset({"second_factor.confirm"})
# of a role that needs a second factor, in a session of somebody who has none: set one up, or work in another role
ENROL_FIRST = ENROL | {"memberships.choose"}

_READ_BOOKS = frozenset(
    {
        "brand.read",
        "network.read",
        "orders.read",
        "imports.read",
        "runs.read",
        "statements.read",
        "documents.read",
        "adjustments.read",
        "disputes.read",
        "exceptions.read",
        "journal.read",
        "exports.read",
        "plans.read",
        "catalog.read",
        "prices.read",
        "compliance.read",
        "insight.read",
        "risks.read",
        "stock.read",
        "offers.read",
        "stores.read",
        "redemptions.read",
    }
)
# what is sold, at what price, by whom, and what it earns
_SELLING = frozenset(
    {
        "catalog.change",
        "prices.edit",
        "prices.request",
        "prices.approve",
        "plans.edit",
        "plans.request",
        "plans.approve",
        "network.change",
        "compliance.export",
        "texts.change",
        "risks.decide",
        "stock.change",
        "offers.change",
        "stores.change",
        "secrets.reveal",
        "redemptions.request",
        "redemptions.approve",
        "orders.refund",
        "orders.resolve",
        "approvals.read",
    }
)
_REQUEST_MONEY = frozenset({"runs.issue.request", "adjustments.request"})
_APPROVE_MONEY = frozenset({"runs.issue.approve", "adjustments.approve", "approvals.read"})
_BOOKKEEPING = frozenset(
    {
        "imports.upload",
        "runs.compute",
        "runs.check",
        "runs.discard",
        "runs.publish",
        "disputes.decide",
        "exceptions.resolve",
        "documents.export",
        "journal.export",
    }
)
_OWN_ROWS = frozenset(
    {
        "own.home.read",
        "own.orders.read",
        "own.statements.read",
        "own.documents.read",
        "own.disputes.read",
        "own.below.read",
        "own.profile.read",
        "own.products.read",
        "own.sales.create",
        "own.links.read",
        "own.pools.read",
        "own.cards.reveal",
    }
)

GIVEN: dict[Role, frozenset[str]] = {
    # of the platform, and in a brand only as the other of two where it has no second person
    "operator": frozenset(
        {
            "brands.read",
            "brands.create",
            "operators.read",
            "operators.grant",
            "platform.audit.read",
            "exports.read",
            "platform.state.read",
            "tasks.read",
            "tasks.steer",
        }
    )
    | _APPROVE_MONEY
    | {"roles.grant.approve", "prices.approve", "plans.approve", "policy.approve", "redemptions.approve"},
    "owner": _READ_BOOKS
    | _BOOKKEEPING
    | _SELLING
    | _REQUEST_MONEY
    | _APPROVE_MONEY
    | {
        "roles.read",
        "roles.grant.request",
        "roles.grant.approve",
        "roles.revoke",
        "people.invite",
        "keys.manage",
        "webhooks.manage",
        "brand.change",
        "policy.request",
        "policy.approve",
    },
    "manager": _READ_BOOKS
    | _SELLING
    | _APPROVE_MONEY
    | {"adjustments.request", "disputes.decide", "documents.export", "roles.read", "roles.grant.request", "people.invite"},
    "accountant": _READ_BOOKS | _BOOKKEEPING | _REQUEST_MONEY | _APPROVE_MONEY,
    # reads all and acts on nothing: who acts does not read the trail, and who reads it does not act
    "auditor": _READ_BOOKS
    | {"compliance.export", "audit.read", "audit.verify", "roles.read", "approvals.read", "journal.export", "documents.export"},
    "support": frozenset(
        {
            "brand.read",
            "network.read",
            "catalog.read",
            "prices.read",
            "orders.read",
            "statements.read",
            "disputes.read",
            "stock.read",
            "offers.read",
            "stores.read",
            "redemptions.read",
            "secrets.reveal",
        }
    ),
    # at a till: sees the cards that are shown to it, and nothing else of the brand
    "clerk": frozenset({"redemptions.make", "redemptions.request"}),
    "admin": _OWN_ROWS
    | {
        "own.statements.confirm",
        "own.disputes.open",
        "own.team.read",
        "own.team.invite",
        "own.team.revoke",
        "own.profile.change",
        "own.compliance.read",
        "own.agreements.accept",
        "own.allocations.request",
    },
    "seller": _OWN_ROWS - {"own.statements.read", "own.documents.read", "own.disputes.read"},
}

# what is left of a role in a reseller whose account is closed: what it is still owed
OF_CLOSED = frozenset(
    {
        "own.home.read",
        "own.statements.read",
        "own.statements.confirm",
        "own.documents.read",
        "own.disputes.read",
        "own.disputes.open",
        "own.profile.read",
    }
)
# what is asked for by one person and allowed by another: the permission of each
APPROVALS: dict[str, tuple[str, str]] = {
    "run.issue": ("runs.issue.request", "runs.issue.approve"),
    "adjustment.add": ("adjustments.request", "adjustments.approve"),
    "role.grant": ("roles.grant.request", "roles.grant.approve"),
    "prices.publish": ("prices.request", "prices.approve"),
    "plan.publish": ("plans.request", "plans.approve"),
    "policy.opinion": ("policy.request", "policy.approve"),
    "policy.tighten": ("policy.request", "policy.approve"),
    "redemption.reverse": ("redemptions.request", "redemptions.approve"),
}
# who may give which role without asking another (roles of the brand's own people are asked for)
INVITES: dict[Role, frozenset[Role]] = {
    "operator": frozenset({"operator"}),
    "owner": frozenset({"support", "admin"}),
    "manager": frozenset({"admin"}),
    "admin": frozenset({"seller"}),
}


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. brand_id: the chosen brand, or the platform's id for an operator; None until a role is chosen.

    second_factor_at: when this session last gave it; None where it has not.
    """

    user_id: uuid.UUID
    session_id: uuid.UUID
    brand_id: uuid.UUID | None
    reseller: str | None
    role: Role | None
    permissions: frozenset[str]
    second_factor_at: dt.datetime | None


def given(role: Role | None, *, enrolled: bool, second_factor: bool, limited: bool = False) -> frozenset[str]:
    """What a session may do. enrolled: the person has a second factor; second_factor: this session has given it.

    limited: in a reseller whose account is closed.
    """
    if enrolled and not second_factor:
        return CONFIRM
    if role is None:
        return OWN_ACCOUNT | ENROL
    if role in STRICT_ROLES and not second_factor:
        return ENROL_FIRST
    return (GIVEN[role] & OF_CLOSED if limited else GIVEN[role]) | OWN_ACCOUNT | ENROL


def holders(permission: str) -> tuple[Role, ...]:
    """The roles that have the permission, the operator last."""
    return tuple(
        sorted((role for role, given in GIVEN.items() if permission in given), key=lambda role: (role == "operator", role))
    )


def idle_limit(role: Role | None) -> dt.timedelta:
    """Before a role is chosen it counts as the strictest."""
    return dt.timedelta(minutes=30) if role is None or role in STRICT_ROLES else dt.timedelta(hours=12)


def absolute_limit(role: Role | None) -> dt.timedelta:
    return dt.timedelta(hours=12) if role is None or role in STRICT_ROLES else dt.timedelta(days=7)
