"""Rooms know only the rooms below them; the doors only translate (house rules 1 and 3)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "qucheng"

# lowest first: a room imports itself and what stands before it
ROOMS = (
    "core",
    "identity",
    "ledger",
    "network",
    "catalog",
    "stock",
    "risk",
    "orders",
    "redemption",
    "campaigns",
    "commission",
    "settlement",
    "bundle",
    "connectors",
    "insight",
)
# beside the others: what it may know is listed, whatever stands before it
NARROW = {"connectors": {"core", "network", "catalog", "stock"}}
DOORS = {"web", "jobs", "cli"}
WIRING = {"app", "worker", "piccolo_app", "piccolo_conf", "piccolo_migrations", "__init__", "__main__", "locale", "templates"}
NOT_FOR_ROOMS = {"litestar", "arq"}
TRANSACTIONS = {"atomic", "transaction"}


def room_of(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def imported(path: str, tree: ast.Module) -> list[tuple[int, str]]:
    """Line and full dotted name of everything the module imports, relative imports resolved."""
    found = []
    here = ["qucheng", *path.removesuffix(".py").split("/")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: -node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def faults(path: str, source: str) -> list[str]:
    """What a module, named by its path inside the package, does that its place forbids."""
    tree = ast.parse(source)
    room = room_of(path)
    if room in WIRING:
        return []
    if room not in {*ROOMS, *DOORS}:
        return [f"{path}: {room} has no place in the order of rooms"]
    names = imported(path, tree)
    return faults_of_door(path, tree, names) if room in DOORS else faults_of_room(path, room, names)


def faults_of_room(path: str, room: str, names: list[tuple[int, str]]) -> list[str]:
    known = {room} | NARROW.get(room, set(ROOMS[: ROOMS.index(room)]))
    found = []
    for line, name in names:
        parts = name.split(".")
        if parts[0] in NOT_FOR_ROOMS:
            found.append(f"{path}:{line}: a room imports {parts[0]}")
        elif parts[0] == "qucheng" and len(parts) > 1 and parts[1] not in known and parts[1] in {*ROOMS, *DOORS, "app", "worker"}:
            found.append(f"{path}:{line}: {room} imports {parts[1]}")
    return found


def faults_of_door(path: str, tree: ast.Module, names: list[tuple[int, str]]) -> list[str]:
    found = [f"{path}:{line}: a door imports tables ({name})" for line, name in names if "tables" in name.split(".")]
    found += [f"{path}:{line}: a door imports piccolo" for line, name in names if name.split(".")[0] == "piccolo"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in TRANSACTIONS:
                found.append(f"{path}:{node.lineno}: a door opens a transaction")
    return found


def test_every_module_stays_in_its_place() -> None:
    modules = sorted(PACKAGE.rglob("*.py"))
    assert modules
    found = [
        fault for file in modules for fault in faults(file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("orders/refund.py", "from qucheng.commission import plan", "orders imports commission"),
        ("orders/refund.py", "from qucheng import settlement", "orders imports settlement"),
        ("orders/refund.py", "import qucheng.settlement.period", "orders imports settlement"),
        ("orders/refund.py", "from ..commission.plan import publish", "orders imports commission"),
        ("orders/refund.py", "def f():\n    from qucheng.web import guards", "orders imports web"),
        ("core/db.py", "from qucheng import ledger", "core imports ledger"),
        ("connectors/mail.py", "from qucheng.orders import order", "connectors imports orders"),
        ("stock/pool.py", "from litestar import get", "a room imports litestar"),
        ("stock/pool.py", "import arq.connections", "a room imports arq"),
        ("web/portal/orders.py", "from qucheng.orders import tables", "a door imports tables"),
        ("web/portal/orders.py", "from qucheng.orders.tables import OrderLine", "a door imports tables"),
        ("jobs/relay.py", "from piccolo.table import Table", "a door imports piccolo"),
        ("cli.py", "async def f():\n    async with db.atomic():\n        pass", "a door opens a transaction"),
        ("helpers/text.py", "x = 1", "no place in the order of rooms"),
    ],
)
def test_a_planted_fault_is_seen(path: str, source: str, fault: str) -> None:
    (found,) = faults(path, source)
    assert fault in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("settlement/period.py", "from qucheng.core import db\nfrom . import tables\nfrom qucheng.ledger import journal"),
        ("connectors/mail.py", "from qucheng.stock import pool"),
        ("web/portal/orders.py", "from litestar import get\nfrom qucheng.orders import order"),
        ("app.py", "from qucheng.web import portal"),
    ],
)
def test_what_is_allowed_is_not_seen(path: str, source: str) -> None:
    assert faults(path, source) == []
