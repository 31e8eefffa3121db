"""Doors of those who run a brand or the platform: people and roles, keys, brands."""

from __future__ import annotations

from qucheng.web.console import brands, keys, operators, people

ROUTES = (
    people.show,
    people.form,
    people.invite,
    people.doubt,
    people.revoke,
    people.withdraw,
    operators.show,
    operators.invite,
    operators.doubt,
    operators.revoke,
    operators.withdraw,
    brands.show,
    brands.form,
    brands.create,
    brands.detail,
    brands.invite_owner,
    brands.withdraw,
    keys.show,
    keys.form,
    keys.create,
    keys.detail,
    keys.rotate,
    keys.end_old,
    keys.doubt,
    keys.revoke,
)
