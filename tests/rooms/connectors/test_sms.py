"""Text messages to a gateway: what it is told, and what becomes of a message that it does not take at once."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests import books, receiver
from tests.rooms.campaigns import gate
from tests.rooms.campaigns.gate import NOW

from qucheng.connectors import sms
from qucheng.core import crypto, db, settings, task
from qucheng.stock import text_message

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.receiver import Receiver

    from qucheng.identity.brand import Brand

pytestmark = pytest.mark.anyio
PHONE, TOKEN, LINK = "+8613805712264", "plum-otter-42", "/c/only-for-you"


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    served, trusting, _ = receiver.authority(tmp_path_factory.mktemp("authority"))
    return served, trusting


@pytest.fixture
async def there(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Receiver]:
    async with receiver.running(contexts[0]) as made:
        yield made


@pytest.fixture
def port(there: Receiver, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> sms.Gateway:
    return sms.Gateway(url=there.url("/send", host="localhost"), token=TOKEN, trust=contexts[1])


@pytest.fixture
def keys(tmp_path: Path) -> crypto.Keys:
    return crypto.keys(tmp_path / "keys")


@pytest.fixture
async def brand(workspace: books.Workspace, tmp_path: Path) -> Brand:
    assert workspace
    return (await gate.opened(tmp_path / "books", gate.NEVER))[0]


async def attempted(port: sms.Port, keys: crypto.Keys, brand: Brand) -> Exception | None:
    """One attempt at the message that waits, as a worker makes it."""
    ((waiting,),) = await books.seen(brand, "SELECT id FROM task WHERE brand = $1 AND state = 'waiting'", brand.id)
    async with db.atomic():
        await db.connection().execute("UPDATE task SET available_at = clock_timestamp() WHERE id = $1", waiting)
    got = await task.claim(waiting, worker=uuid.uuid4(), kinds=[text_message.SEND])
    assert got is not None
    try:
        await sms.deliver(
            task.Work(got), port=port, keys=keys, brand_id=brand.id, brand="南屿", public_url="https://shop.example", now=NOW
        )
    except (OSError, sms.TextRefusedError) as error:
        await task.fail(got, error)
        return error
    return None


async def written(keys: crypto.Keys, brand: Brand) -> None:
    async with db.atomic(brand.id):
        await text_message.write(
            keys=keys, brand_id=brand.id, kind="delivery", locale="en", to=PHONE, values={"order": "A-1", "path": LINK}, now=NOW
        )


async def sent(port: sms.Port) -> None:
    await port.send(message=uuid.uuid4(), to=PHONE, text="x", now=NOW)


async def stored(brand: Brand) -> list[tuple[str, bool, str | None]]:
    """Of each message the state of its task, whether it is still there to be sent, and why not."""
    return await books.seen(
        brand,
        "SELECT t.state, m.to_cipher IS NOT NULL, t.reason FROM text_message m"
        " JOIN task t ON t.brand = m.brand_id AND t.subject ->> 'message' = m.id::text ORDER BY m.id",
    )


async def test_a_message_that_is_not_taken_comes_again_under_its_own_id(
    port: sms.Gateway, there: Receiver, keys: crypto.Keys, brand: Brand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answers = ("500 sorry", "cut", "429", "302 https://localhost/elsewhere", "401")
    there.does("/send", *answers, "202 queued")
    await written(keys, brand)
    for answer in answers:
        error = await attempted(port, keys, brand)
        assert isinstance(error, OSError), answer
        assert await stored(brand) == [("waiting", True, "OSError")]
        assert all(secret not in f"{error} {error.__cause__}" for secret in (PHONE, LINK, TOKEN))
    assert await attempted(port, keys, brand) is None
    assert [row[:2] for row in await stored(brand)] == [("done", False)]
    ((message,),) = await books.seen(brand, "SELECT id FROM text_message")
    text = f"[南屿] What you bought with order A-1 is here: https://shop.example{LINK}. The link is for you alone: do not pass it on."
    assert [hit.path for hit in there.hits] == ["/send"] * 6
    for hit in there.hits:
        assert msgspec.json.decode(hit.body) == {"id": str(message), "to": PHONE, "text": text}
        assert (hit.headers["authorization"], hit.headers["content-type"]) == (f"Bearer {TOKEN}", "application/json")
    assert all(secret not in caplog.text for secret in (PHONE, LINK, TOKEN))


async def test_a_message_that_is_refused_is_kept_for_a_person_to_see(
    port: sms.Gateway, there: Receiver, keys: crypto.Keys, brand: Brand
) -> None:
    there.does("/send", f"422 {PHONE} is no number")
    await written(keys, brand)
    assert isinstance(await attempted(port, keys, brand), sms.TextRefusedError)
    assert await stored(brand) == [("dead", True, "The gateway refuses this message with 422.")]
    assert len(there.hits) == 1


async def test_what_does_not_answer_or_is_somebody_else_is_tried_again(
    port: sms.Gateway, there: Receiver, contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = sms.Gateway(url=there.url("/send", host="localhost"), token=TOKEN)
    nobody = sms.Gateway(url="https://localhost:1/send", token=TOKEN, trust=contexts[1])
    for each in (stranger, nobody):
        with pytest.raises(OSError, match="does not answer"):
            await sent(each)
    assert there.hits == []
    monkeypatch.setattr(sms, "WHOLE_SECONDS", 0.3)
    for answer in ("hang", "204"):
        there.does("/send", answer)
        began = time.monotonic()
        if answer == "hang":
            with pytest.raises(OSError, match="does not answer"):
                await sent(port)
        else:
            await sent(port)
        assert time.monotonic() - began < 5
    assert len(there.hits) == 2


def test_the_settings_choose_the_port(tmp_path: Path, keys: crypto.Keys) -> None:
    gateway = {"QUCHENG_SMS_URL": "https://texts.example/send", "QUCHENG_SMS_TOKEN": TOKEN}
    for named, kind, refused in (
        ({}, sms.Simulator, False),
        (gateway, sms.Gateway, False),
        ({"QUCHENG_PRODUCTION": "1"}, sms.Nowhere, True),
        ({"QUCHENG_PRODUCTION": "1", **gateway}, sms.Gateway, False),
    ):
        current = settings.load({"QUCHENG_VAR": str(tmp_path), **named})
        assert type(sms.chosen(current=current, keys=keys)) is kind
        try:
            sms.require(current)
        except sms.NowhereError:
            assert refused
        else:
            assert not refused
