"""Tasks of card secrets: codes made and taken in, data keys wrapped anew, text messages sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.connectors import sms
from qucheng.core import clock, crypto
from qucheng.identity import brand as brands
from qucheng.stock import batch_import, generate, key_rotation, text_message

if TYPE_CHECKING:
    from qucheng.core import task
    from qucheng.identity.brand import Brand
    from qucheng.jobs.handlers import Handler, Tools


async def make(work: task.Work, tools: Tools) -> None:
    brand = await _brand(work)
    await generate.run(work=work, brand=brand, keys=_keys(tools), now=clock.now())


async def take_in(work: task.Work, tools: Tools) -> None:
    brand, folder = await _brand(work), tools.settings.var / batch_import.FOLDER
    await batch_import.run(work=work, brand=brand, keys=_keys(tools), folder=folder, now=clock.now())


def prune(tools: Tools) -> None:
    batch_import.prune(folder=tools.settings.var / batch_import.FOLDER, now=clock.now())


async def rewrap(work: task.Work, tools: Tools) -> None:
    known = [brand_id for brand_id, _ in await brands.every()]
    await key_rotation.rewrap(work=work, keys=_keys(tools), brands=known, now=clock.now())


async def send_text(work: task.Work, tools: Tools) -> None:
    brand, current, keys = await _brand(work), tools.settings, _keys(tools)
    port = sms.chosen(current=current, keys=keys)
    await sms.deliver(
        work,
        port=port,
        keys=keys,
        brand_id=brand.id,
        brand=brand.name,
        public_url=current.address,
        now=clock.now(),
    )


async def _brand(work: task.Work) -> Brand:
    if work.task.brand_id is None:
        raise brands.BrandUnknownError(f"A task of the kind {work.task.kind} is a brand's, and this one names none.")
    return await brands.read(work.task.brand_id)


def _keys(tools: Tools) -> crypto.Keys:
    return crypto.keys(tools.settings.var / "keys")


HANDLERS: dict[str, Handler] = {
    generate.KIND: make,
    batch_import.KIND: take_in,
    key_rotation.REWRAP: rewrap,
    text_message.SEND: send_text,
}
