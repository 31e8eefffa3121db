"""A brand with endpoints, and a courier that brings its messages to a receiver on this machine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec
import standardwebhooks
from tests import books, receiver
from tests.rooms.identity import people

from qucheng.connectors import webhook
from qucheng.core import db, outbox, settings
from qucheng.identity import webhook_endpoint
from qucheng.jobs import webhooks

if TYPE_CHECKING:
    import ssl
    import uuid
    from pathlib import Path

    from tests.receiver import Hit, Receiver

    from qucheng.core import crypto
    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

NOW = people.NOW
ALL = outbox.KINDS


@dataclasses.dataclass
class House:
    """What the tests of webhooks share."""

    keys: crypto.Keys
    brand: Brand
    owner: permissions.Principal
    there: Receiver
    courier: webhooks.Courier

    async def endpoint(self, path: str = "/hook", kinds: tuple[str, ...] = ALL) -> webhook_endpoint.Issued:
        return await webhook_endpoint.create(
            keys=self.keys,
            brand_id=self.brand.id,
            url=self.there.url(path),
            kinds=kinds,
            allowed=receiver.HERE,
            created_by=self.owner.user_id,
            actor=people.actor(self.owner),
            now=NOW,
        )

    async def told(self, subject: str, kind: outbox.Kind = "order.paid") -> None:
        async with db.atomic(self.brand.id):
            await outbox.tell(brand_id=self.brand.id, kind=kind, subject=subject, data={"orderNo": subject})

    async def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            await self.courier.round()
            await self.courier.settled()

    async def hurry(self) -> None:
        """What waits for its next try is due now."""
        await books.seen(self.brand, "UPDATE webhook_delivery SET due_at = now() WHERE state = 'waiting' RETURNING 1")

    async def states(self) -> list[tuple[Any, ...]]:
        return await books.seen(self.brand, "SELECT subject, kind, state, attempt FROM webhook_delivery ORDER BY event, endpoint")

    async def attempts(self) -> list[tuple[Any, ...]]:
        return await books.seen(self.brand, "SELECT number, status, fault FROM webhook_attempt ORDER BY event, endpoint, number")


def courier(var: Path, trust: ssl.SSLContext) -> webhooks.Courier:
    current = msgspec.structs.replace(settings.load({}), var=var, webhook_networks=receiver.HERE)
    return webhooks.Courier(current, webhook.Https(allowed=receiver.HERE, trust=trust, resolve=receiver.at_home))


def verified(hit: Hit, secret: str) -> Any:
    """As a receiver does it, by the book."""
    return standardwebhooks.Webhook(secret).verify(hit.body, hit.headers)


async def number_of(brand_id: uuid.UUID, subject: str) -> str:
    async with db.atomic(brand_id):
        return str(await db.connection().fetchval("SELECT id FROM outbox_event WHERE subject = $1 ORDER BY seq LIMIT 1", subject))
