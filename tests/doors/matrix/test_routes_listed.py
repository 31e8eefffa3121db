"""The table of routes says what the app serves, and who has which permission."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doors.matrix import table

from qucheng import app as wiring
from qucheng.core import settings
from qucheng.identity import api_key, permissions
from qucheng.web import guards, machines

if TYPE_CHECKING:
    from pathlib import Path

WHERE = "tests/doors/matrix/routes.toml"


def test_every_route_stands_in_the_table_with_its_permission(tmp_path: Path) -> None:
    served = table.served(wiring.create_app(settings.load({"QUCHENG_VAR": str(tmp_path / "var")})))
    listed = {route.name: (route.audience, route.permission) for route in table.routes()}
    missing = {name: found for name, found in served.items() if listed.get(name) != found}
    assert not missing, f"review who may use these, then add or correct their lines in {WHERE} (and [roles] there): {missing}"
    gone = sorted(listed.keys() - served.keys())
    assert not gone, f"these are not served any more: take their lines out of {WHERE}: {gone}"


def test_what_a_key_may_be_for_is_what_was_reviewed() -> None:
    marks = {
        name: {mark for mark, set_ in (("signed", scope.money), ("reseller", scope.reseller)) if set_}
        for name, scope in api_key.SCOPES.items()
    }
    assert {**marks, machines.ANY_KEY: {"reseller"}} == table.scopes(), f"correct [scopes] of {WHERE}"


def test_a_scope_that_moves_money_is_signed_everywhere(tmp_path: Path) -> None:
    app = wiring.create_app(settings.load({"QUCHENG_VAR": str(tmp_path / "var")}))
    signed = {name for name, opt in table.options(app).items() if opt.get(guards.SIGNED)}
    assert signed == {
        route.name for route in table.routes() if route.audience == "api" and "signed" in table.scopes()[route.permission]
    }


def test_who_has_a_permission_is_what_was_reviewed() -> None:
    reviewed = table.permissions()
    used = {route.permission for route in table.routes() if route.audience == "pages"} - table.STEPS - {guards.ANYBODY}
    assert reviewed.keys() == used, (
        f"in [roles] of {WHERE}: missing {used - reviewed.keys()}, of no route {reviewed.keys() - used}"
    )
    everybody = {name for name, roles in reviewed.items() if roles == {"everybody"}}
    assert everybody == permissions.OWN_ACCOUNT & used
    given = {name: frozenset(role for role, all_ in permissions.GIVEN.items() if name in all_) for name in used - everybody}
    assert given == {name: roles for name, roles in reviewed.items() if name not in everybody}
