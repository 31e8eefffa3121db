"""Text messages: what they say, and where they go. Without a provider they go nowhere, or into a folder that a page of the demonstration shows."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import uuid
from typing import TYPE_CHECKING, Protocol

import msgspec

from qucheng.core import crypto, ids
from qucheng.stock import text_message

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import task

FOLDER = "text-messages"
"""Under `var`."""
SHOWN = 50
PLACE = "simulated_message/"
TEXTS = {
    ("delivery", "zh-CN"): "【{brand}】订单 {order} 的卡券已备好，点此查看：{link}。链接只给收到短信的人，请勿转发。",
    (
        "delivery",
        "en",
    ): "[{brand}] What you bought with order {order} is here: {link}. The link is for you alone: do not pass it on.",
    ("code", "zh-CN"): "【{brand}】验证码 {code}，5 分钟内有效。工作人员不会索要验证码。",
    ("code", "en"): "[{brand}] Your code is {code}, good for 5 minutes. Nobody of ours will ask for it.",
}


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the page of the demonstration shows it."""

    to: str
    text: str
    at: dt.datetime


class Port(Protocol):
    async def send(self, *, to: str, text: str, now: dt.datetime) -> None:
        """Raises OSError where it makes sense to try again."""


class Nowhere:
    """There is no provider: nobody gets anything."""

    async def send(self, *, to: str, text: str, now: dt.datetime) -> None:
        """The message ends here."""


class Simulator:
    """Keeps the last messages in a folder, sealed: they hold links."""

    def __init__(self, folder: Path, keys: crypto.Keys) -> None:
        self._folder, self._keys = folder, keys

    async def send(self, *, to: str, text: str, now: dt.datetime) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = str(ids.new_id())
        sealed = self._keys.seal(msgspec.json.encode(Simulated(to=to, text=text, at=now)), place=PLACE + name)
        with os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(sealed)
        for old in sorted(self._folder.iterdir(), reverse=True)[SHOWN:]:
            old.unlink(missing_ok=True)

    def messages(self) -> list[Simulated]:
        """The newest first."""
        found = sorted(self._folder.iterdir(), reverse=True)[:SHOWN] if self._folder.is_dir() else []
        shown = []
        for file in found:
            # one that a retired key has sealed is no more
            with contextlib.suppress(crypto.SealBrokenError):
                shown.append(msgspec.json.decode(self._keys.open(file.read_bytes(), place=PLACE + file.name), type=Simulated))
        return shown


def chosen(*, production: bool, folder: Path, keys: crypto.Keys) -> Port:
    return Nowhere() if production else Simulator(folder, keys)


def compose(found: text_message.Message, *, brand: str, public_url: str) -> str:
    values = {name: value for name, value in found.values.items() if name != "path"}
    return TEXTS[found.kind, found.locale].format(brand=brand, link=public_url + found.values.get("path", ""), **values)


async def deliver(
    work: task.Work, *, port: Port, keys: crypto.Keys, brand_id: uuid.UUID, brand: str, public_url: str, now: dt.datetime
) -> None:
    """The task of a message. A crash after sending sends it again: better than not at all. What is over is wiped, and not sent."""
    message_id = uuid.UUID(work.task.subject["message"])
    found = await text_message.read(keys=keys, brand_id=brand_id, message_id=message_id)
    if found is not None and (found.good_until is None or now < found.good_until):
        await port.send(to=found.to, text=compose(found, brand=brand, public_url=public_url), now=now)
    async with work.finishing(brand_id):
        await text_message.wipe(message_id=message_id, now=now)
