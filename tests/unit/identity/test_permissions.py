"""Who may do what: the table as it is promised, and what a session lacks until it has given the second factor."""

from __future__ import annotations

import datetime as dt
from typing import get_args

import pytest

from qucheng.identity import permissions

ROLES = get_args(permissions.Role)


def given(role: permissions.Role | None) -> frozenset[str]:
    return permissions.given(role, enrolled=True, second_factor=True)


def test_every_role_has_its_permissions() -> None:
    assert set(permissions.GIVEN) == set(ROLES)
    assert set(permissions.BRAND_ROLES) | set(permissions.RESELLER_ROLES) | {"operator"} == set(ROLES)


def test_people_of_a_reseller_have_only_what_is_their_own() -> None:
    for role in permissions.RESELLER_ROLES:
        assert {name for name in permissions.GIVEN[role] if not name.startswith("own.")} == set()
    for role in ("operator", *permissions.BRAND_ROLES):
        assert {name for name in permissions.GIVEN[role] if name.startswith("own.")} == set()


def test_a_seller_sees_no_statement() -> None:
    assert permissions.GIVEN["admin"] - permissions.GIVEN["seller"] == {
        "own.statements.read",
        "own.statements.confirm",
        "own.documents.read",
        "own.disputes.read",
        "own.disputes.open",
        "own.team.read",
        "own.team.invite",
        "own.team.revoke",
        "own.profile.change",
        "own.compliance.read",
        "own.agreements.accept",
        "own.allocations.request",
    }


def test_who_acts_does_not_read_the_trail() -> None:
    assert permissions.holders("audit.read") == ("auditor",)
    acting = {
        "runs.compute",
        "runs.issue.request",
        "runs.issue.approve",
        "adjustments.request",
        "adjustments.approve",
        "imports.upload",
    }
    assert permissions.GIVEN["auditor"] & (acting | {"roles.grant.request", "roles.grant.approve", "disputes.decide"}) == set()


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("runs.compute", ("accountant", "owner")),
        ("runs.issue.request", ("accountant", "owner")),
        ("runs.issue.approve", ("accountant", "manager", "owner", "operator")),
        ("adjustments.request", ("accountant", "manager", "owner")),
        ("adjustments.approve", ("accountant", "manager", "owner", "operator")),
        ("roles.grant.request", ("manager", "owner")),
        ("roles.grant.approve", ("owner", "operator")),
        ("journal.read", ("accountant", "auditor", "manager", "owner")),
        ("brands.create", ("operator",)),
        ("no.such", ()),
    ],
)
def test_who_has_it(permission: str, roles: tuple[str, ...]) -> None:
    assert permissions.holders(permission) == roles


def test_an_operator_sees_no_books() -> None:
    assert (
        permissions.GIVEN["operator"] & {"statements.read", "orders.read", "journal.read", "runs.read", "adjustments.read"}
        == set()
    )


def test_whoever_moves_money_or_gives_rights_needs_the_second_factor() -> None:
    # a shop clerk asks for what was redeemed at the own terminal, and somebody else allows it
    asked = {name for pair in permissions.APPROVALS.values() for name in pair} - {"redemptions.request"}
    risky = asked | {"runs.compute", "brands.create", "keys.manage"}
    assert {role for role in ROLES if permissions.GIVEN[role] & risky} == permissions.STRICT_ROLES


@pytest.mark.parametrize("role", ROLES)
def test_without_a_second_factor_a_strict_role_may_only_enrol_or_be_left(role: permissions.Role) -> None:
    plain = permissions.given(role, enrolled=False, second_factor=False)
    if role in permissions.STRICT_ROLES:
        assert plain == {"second_factor.enrol", "memberships.choose"}
    else:
        assert plain == permissions.GIVEN[role] | permissions.OWN_ACCOUNT | {"second_factor.enrol"}


@pytest.mark.parametrize("role", [None, *ROLES])
def test_who_has_one_gives_it_first(role: permissions.Role | None) -> None:
    assert permissions.given(role, enrolled=True, second_factor=False) == {"second_factor.confirm"}


def test_without_a_role_there_is_the_account_only() -> None:
    assert given(None) == permissions.OWN_ACCOUNT | {"second_factor.enrol"}


def test_sessions_of_strict_roles_are_short() -> None:
    limits = {role: (permissions.idle_limit(role), permissions.absolute_limit(role)) for role in (None, *ROLES)}
    short, long = (dt.timedelta(minutes=30), dt.timedelta(hours=12)), (dt.timedelta(hours=12), dt.timedelta(days=7))
    assert limits == {role: short if role is None or role in permissions.STRICT_ROLES else long for role in limits}


def test_nobody_gives_a_strict_role_alone() -> None:
    alone = {role for own, roles in permissions.INVITES.items() if own != "operator" for role in roles}
    assert alone & permissions.STRICT_ROLES == set()
    assert permissions.INVITES["admin"] == {"seller"}
