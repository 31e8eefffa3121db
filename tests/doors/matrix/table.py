"""The reviewed table of routes (routes.toml), and what the app serves, in the same words."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from litestar.routes import HTTPRoute

from qucheng.web import guards

if TYPE_CHECKING:
    import litestar

FILE = Path(__file__).with_name("routes.toml")
KIND = re.compile(r"\{(\w+)(?::\w+)?\}")
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# what every session has, before it has a role or has given all it owes
STEPS = frozenset({guards.SIGNED_IN, "second_factor.confirm", "second_factor.enrol"})

Audience = Literal["pages", "machines", "api"]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """roles: those that have the permission; `everybody` stands for every session. personal: what the path names
    belongs to one person. refused: roles that have the permission and may not do it, with the
    status. fields: without which a form is not taken. parts: its form has a file.
    """

    method: str
    path: str
    audience: Audience
    permission: str
    roles: frozenset[str]
    personal: bool
    parts: bool
    refused: dict[str, int]
    fields: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(KIND.findall(self.path))


@functools.cache
def routes() -> tuple[Route, ...]:
    """Those of the table."""
    written = tomllib.loads(FILE.read_text(encoding="utf-8"))
    roles: dict[str, list[str]] = written["roles"]
    return tuple(
        Route(
            method=name.split()[0],
            path=name.split()[1],
            audience=audience,
            permission=permission,
            roles=frozenset(roles.get(permission, ())),
            personal=name in written["personal"],
            refused=written["refused"].get(name, {}),
            parts=name in written["parts"],
            fields=written["fields"].get(name, {}),
        )
        for audience in ("pages", "machines", "api")
        for name, permission in written.get(audience, {}).items()
    )


def permissions() -> dict[str, frozenset[str]]:
    written = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {permission: frozenset(roles) for permission, roles in written["roles"].items()}


def scopes() -> dict[str, frozenset[str]]:
    written = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {scope: frozenset(said) for scope, said in written["scopes"].items()}


def plain(path: str) -> str:
    """Without the kinds of its parameters."""
    return KIND.sub(lambda found: f"{{{found[1]}}}", path)


def options(app: litestar.Litestar) -> dict[str, dict[str, Any]]:
    """Each route of the app, and what its handler says of it."""
    return {
        f"{method} {plain(route.path)}": handler.opt
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS"}
    }


def served(app: litestar.Litestar) -> dict[str, tuple[str, str]]:
    """Each route of the app: its audience and its permission."""
    return {name: (opt[guards.AUDIENCE], opt[guards.PERMISSION]) for name, opt in options(app).items()}
