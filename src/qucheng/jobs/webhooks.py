"""The worker's round of webhooks: what was told is taken up, what is due is sent, many at once and few to one endpoint.

Not a task for each message: a delivery is a row with a lease of its own, and a slow receiver would hold a task's place.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from qucheng.connectors import webhook
from qucheng.core import clock, crashpoint, crypto, task
from qucheng.identity import webhook_delivery

if TYPE_CHECKING:
    from qucheng.core.settings import Settings
    from qucheng.identity.webhook_delivery import Sending

log = structlog.get_logger("qucheng.webhooks")

AT_ONCE = 32
LOOK_SECONDS = 0.5
# so that what ends at the same time is followed by one look, not by many
BREATH_SECONDS = 0.01
STOP_SECONDS = webhook.WHOLE_SECONDS + 1


class Courier:
    """Any number of them work side by side. sender: where messages go; over HTTPS where none is given."""

    def __init__(self, settings: Settings, sender: webhook.Sender | None = None) -> None:
        self._settings = settings
        self._sender = sender
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until it is cancelled; what is under way then is waited for, or given back."""
        try:
            while True:
                await self.round()
                if self._under_way:
                    await asyncio.wait(self._under_way, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.sleep(BREATH_SECONDS)
                else:
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._stop()

    async def round(self) -> int:
        """Takes up and claims what there is, and begins to send it; returns how many sendings it began."""
        begun = 0
        for brand_id in await webhook_delivery.brands_due():
            while await webhook_delivery.take_up(brand_id=brand_id) == webhook_delivery.MOST_TAKEN:
                pass
            free = AT_ONCE - len(self._under_way)
            if free <= 0:
                continue
            for sending in await webhook_delivery.claim(brand_id=brand_id, most=free, now=clock.now()):
                doing = asyncio.create_task(self._deliver(sending))
                self._under_way.add(doing)
                doing.add_done_callback(self._under_way.discard)
                begun += 1
        return begun

    async def settled(self) -> None:
        """Returns when all that was begun has ended."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _deliver(self, sending: Sending) -> None:
        try:
            outcome = await self._sent(sending)
            crashpoint.reached("webhook.sent")
            await webhook_delivery.conclude(sending, outcome)
        except asyncio.CancelledError:
            await webhook_delivery.give_back(sending)
            raise
        except Exception as error:
            # its lease runs out, and it is sent again
            log.exception("webhook.left", endpoint=str(sending.endpoint), number=sending.event, reason=task.reason(error))
            return
        log.info(
            "webhook.sent",
            endpoint=str(sending.endpoint),
            number=sending.event,
            attempt=sending.attempt,
            status=outcome.status,
            fault=outcome.fault,
            milliseconds=outcome.duration_ms,
        )

    async def _sent(self, sending: Sending) -> webhook_delivery.Outcome:
        now = clock.now()
        try:
            message = sending.message(keys=crypto.keys(self._settings.var / "keys"), now=now)
        except crypto.SealBrokenError:
            return webhook_delivery.Outcome(at=now, duration_ms=0, fault="secret")
        if self._sender is None:
            self._sender = webhook.Https(allowed=self._settings.webhook_networks)
        answer = await self._sender.send(url=message.url, headers=message.headers, body=message.body)
        return webhook_delivery.Outcome(
            at=now, duration_ms=answer.duration_ms, status=answer.status, fault=answer.fault, text=answer.text
        )

    async def _stop(self) -> None:
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=STOP_SECONDS)
        left = list(self._under_way)
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)
