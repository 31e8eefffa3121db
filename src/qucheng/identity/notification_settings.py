"""The kinds of what people are told of, for whom each is, and how a person wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db
from qucheng.identity import permissions

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

Kind = Literal[
    "approval.waiting",
    "approval.decided",
    "statement.published",
    "dispute.opened",
    "dispute.decided",
    "price.change",
    "plan.published",
    "application.received",
    "agreement.published",
    "task.failed",
    "webhook.disabled",
    "stock.low",
    "stock.expiring",
    "risk.found",
]


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """roles: who is told, and who may read it. mail: whether it goes out by mail as well where nobody said otherwise."""

    roles: tuple[permissions.Role, ...]
    mail: bool = False


KINDS: dict[Kind, Described] = {
    "approval.waiting": Described(roles=("owner", "manager", "accountant", "operator"), mail=True),
    "approval.decided": Described(roles=("owner", "manager", "accountant")),
    "application.received": Described(roles=("owner", "manager")),
    "dispute.opened": Described(roles=("owner", "accountant")),
    "plan.published": Described(roles=("owner", "manager", "accountant", "auditor")),
    "task.failed": Described(roles=("owner", "operator")),
    "webhook.disabled": Described(roles=("owner",), mail=True),
    "stock.low": Described(roles=("owner", "manager"), mail=True),
    "stock.expiring": Described(roles=("owner", "manager")),
    "risk.found": Described(roles=("owner", "manager")),
    "statement.published": Described(roles=("admin",), mail=True),
    "dispute.decided": Described(roles=("admin",)),
    "price.change": Described(roles=("admin", "seller"), mail=True),
    "agreement.published": Described(roles=("admin",)),
}


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """app: shown here. mail: in a letter."""

    app: bool
    mail: bool


def kinds(role: permissions.Role | None) -> list[Kind]:
    """What somebody in the role is told of, in the order in which it is listed."""
    return [kind for kind, described in KINDS.items() if role in described.roles]


async def read(*, user_id: uuid.UUID) -> dict[Kind, Setting]:
    """Of every kind."""
    async with db.atomic():
        rows = await db.connection().fetch("SELECT kind, app, mail FROM notification_setting WHERE user_id = $1", user_id)
    chosen = {row["kind"]: Setting(app=row["app"], mail=row["mail"]) for row in rows}
    return {kind: chosen.get(kind, Setting(app=True, mail=described.mail)) for kind, described in KINDS.items()}


async def write(*, user_id: uuid.UUID, settings: Mapping[Kind, Setting]) -> None:
    """Those that are named; the others stay. They hold from the next thing that is told."""
    async with db.atomic():
        await db.connection().execute(
            "INSERT INTO notification_setting (user_id, kind, app, mail) SELECT $1, * FROM unnest($2::text[], $3::boolean[], $4::boolean[])"
            " ON CONFLICT (user_id, kind) DO UPDATE SET app = excluded.app, mail = excluded.mail",
            user_id,
            list(settings),
            [each.app for each in settings.values()],
            [each.mail for each in settings.values()],
        )
