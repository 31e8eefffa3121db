"""Text messages: what they say, and where they go: to a gateway; without one nowhere, or into a folder that a page of the demonstration shows."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import ssl
import uuid
from typing import TYPE_CHECKING, ClassVar, Protocol

import httpx
import msgspec

from qucheng.core import crypto, errors, ids
from qucheng.stock import text_message

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.core import task
    from qucheng.core.settings import Settings

FOLDER = "text-messages"
"""Under `var`."""
SHOWN = 50
PLACE = "simulated_message/"
WHOLE_SECONDS = 10
# what the gateway says of the message, and not of itself, of us or of now
FINAL = frozenset({400, 422})
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


class NowhereError(errors.RefusedError):
    """There is no gateway: who waits for a message would wait for ever."""

    code: ClassVar[str] = "sms.nowhere"
    status: ClassVar[int] = 503


class TextRefusedError(errors.RefusedError):
    """The gateway will never take this message."""

    code: ClassVar[str] = "sms.refused"
    status: ClassVar[int] = 422


class Port(Protocol):
    async def send(self, *, message: uuid.UUID, to: str, text: str, now: dt.datetime) -> None:
        """message: by which it can be told that one comes again. Raises TextRefusedError where it makes no sense to try again, OSError
        where it does.
        """


class Nowhere:
    """There is no gateway: nobody gets anything."""

    async def send(self, *, message: uuid.UUID, to: str, text: str, now: dt.datetime) -> None:
        """The message ends here."""


class Gateway:
    """Posts each message as JSON to an address that whoever runs the platform has named. trust: whose certificates are believed."""

    def __init__(self, *, url: str, token: str, trust: ssl.SSLContext | None = None) -> None:
        self._url, self._token, self._trust = url, token, trust

    async def send(self, *, message: uuid.UUID, to: str, text: str, now: dt.datetime) -> None:  # noqa: ARG002 - Port's
        """Anything but 2xx is no yes; what the gateway writes beside it is not read."""
        body = msgspec.json.encode({"id": str(message), "to": to, "text": text})
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json", "connection": "close"}
        trust = self._trust or ssl.create_default_context()
        try:
            async with (
                asyncio.timeout(WHOLE_SECONDS),
                httpx.AsyncClient(verify=trust, trust_env=False, follow_redirects=False, timeout=WHOLE_SECONDS) as client,
                client.stream("POST", self._url, content=body, headers=headers) as response,
            ):
                status, taken = response.status_code, response.is_success
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL):
            raise OSError("the gateway for text messages does not answer as it should") from None
        if status in FINAL:
            raise TextRefusedError(f"The gateway refuses this message with {status}.")
        if not taken:
            raise OSError("the gateway does not take the message now")


class Simulator:
    """Keeps the last messages in a folder, sealed: they hold links."""

    def __init__(self, folder: Path, keys: crypto.Keys) -> None:
        self._folder, self._keys = folder, keys

    async def send(self, *, message: uuid.UUID, to: str, text: str, now: dt.datetime) -> None:  # noqa: ARG002 - Port's
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


def chosen(*, current: Settings, keys: crypto.Keys) -> Port:
    """The gateway of the settings; without one, a folder in a trial, and nothing in production."""
    if current.sms_url is not None and current.sms_token is not None:
        return Gateway(url=current.sms_url, token=current.sms_token)
    return Nowhere() if current.production else Simulator(current.var / FOLDER, keys)


def require(current: Settings) -> None:
    """Before somebody is told that a message is on its way. Raises NowhereError."""
    if current.production and current.sms_url is None:
        raise NowhereError("No text messages can be sent here: no gateway is named.")


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
        await port.send(message=message_id, to=found.to, text=compose(found, brand=brand, public_url=public_url), now=now)
    async with work.finishing(brand_id):
        await text_message.wipe(message_id=message_id, now=now)
