"""Messages over HTTPS to receivers that somebody else named: real TLS, real answers, and no way inside."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests import receiver

from qucheng.connectors import webhook
from qucheng.core import outside

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator

    from tests.receiver import Receiver

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    served, trusting, _ = receiver.authority(tmp_path_factory.mktemp("authority"))
    return served, trusting


@pytest.fixture
async def there(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Receiver]:
    async with receiver.running(contexts[0]) as made:
        yield made


@pytest.fixture
def sender(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[webhook.Https]:
    made = webhook.Https(allowed=receiver.HERE, trust=contexts[1], resolve=receiver.at_home)
    yield made
    made.close()


async def posted(sender: webhook.Https, url: str) -> webhook.Answer:
    return await sender.send(url=url, headers={"content-type": "application/json"}, body=b'{"a":1}')


async def test_a_message_arrives_under_its_name(sender: webhook.Https, there: Receiver) -> None:
    there.does("/hook?a=b", "200 thanks\x1b[2J\x00!")
    answer = await posted(sender, there.url("/hook?a=b"))
    assert (answer.status, answer.fault, answer.text) == (
        200,
        None,
        "thanks\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}!",
    )
    (hit,) = there.hits
    assert (hit.path, hit.body, hit.headers["host"]) == ("/hook?a=b", b'{"a":1}', f"{receiver.NAME}:{there.port}")
    assert (hit.headers["content-type"], hit.headers["accept-encoding"]) == ("application/json", "identity")
    assert there.names == [receiver.NAME]


async def test_the_certificate_is_that_of_the_name(sender: webhook.Https, there: Receiver) -> None:
    answer = await posted(sender, there.url(host="other.example.com"))
    assert (answer.status, answer.fault, there.hits) == (None, "connect", [])


async def test_an_address_in_the_place_of_a_name(sender: webhook.Https, there: Receiver) -> None:
    assert (await posted(sender, there.url(host="127.0.0.1"))).status == 204


@pytest.mark.parametrize("answer", ["301", "302", "303", "307", "308"])
async def test_a_redirect_is_an_answer_and_is_not_followed(sender: webhook.Https, there: Receiver, answer: str) -> None:
    there.does("/hook", f"{answer} https://127.0.0.1:{there.port}/inside")
    found = await posted(sender, there.url())
    assert (found.status, found.fault, found.text) == (int(answer), None, None)
    assert [hit.path for hit in there.hits] == ["/hook"]


async def test_of_a_long_answer_only_the_beginning_is_read(sender: webhook.Https, there: Receiver) -> None:
    there.does("/hook", "large")
    answer = await posted(sender, there.url())
    assert (answer.status, answer.text) == (200, "x" * 2048)


@pytest.mark.parametrize("answer", ["hang", "drip"])
async def test_who_does_not_come_to_an_end_is_left(
    sender: webhook.Https, there: Receiver, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 0.5)
    there.does("/hook", answer)
    began = time.monotonic()
    found = await posted(sender, there.url())
    assert (found.status, found.fault) == (None, "timeout")
    assert 0.5 <= time.monotonic() - began < 2


async def test_a_connection_that_is_cut_is_a_fault(sender: webhook.Https, there: Receiver) -> None:
    there.does("/hook", "cut")
    assert (await posted(sender, there.url())).fault == "protocol"


async def test_nobody_listens(sender: webhook.Https, there: Receiver) -> None:
    assert (await posted(sender, f"https://{receiver.NAME}:1/")).fault == "connect"
    assert there.connections == 0


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["2606:4700::1111", "::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["fe80::1%lo"],
    ],
)
async def test_a_name_that_leads_inside_is_not_followed(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], there: Receiver, found: list[str]
) -> None:
    """Every address is looked at: which of them a connection would get, its owner decides."""

    async def resolve(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(0)
        return found

    sender = webhook.Https(trust=contexts[1], resolve=resolve)
    answer = await posted(sender, f"https://{receiver.NAME}/")
    assert (answer.status, answer.fault, there.connections) == (None, "address", 0)


class Rebinding:
    """Says a public address when it is asked first, and this machine's ever after."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> list[str]:
        self.asked += 1
        return ["8.8.8.8"] if self.asked == 1 else ["127.0.0.1"]


async def test_what_was_checked_is_connected_to_and_the_next_sending_checks_again(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], there: Receiver
) -> None:
    """The way out of this machine is closed to tests, and says where somebody wanted to go."""
    rebinding = Rebinding()
    sender = webhook.Https(trust=contexts[1], resolve=rebinding)
    with pytest.raises(ExceptionGroup) as kept:
        await posted(sender, f"https://{receiver.NAME}/")
    assert [str(each) for each in kept.value.exceptions] == ["a test may not connect to 8.8.8.8"]
    assert rebinding.asked == 1
    assert (await posted(sender, f"https://{receiver.NAME}/")).fault == "address"
    assert (rebinding.asked, there.connections) == (2, 0)


async def test_control_without_the_check_it_would_be_reached(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = webhook.Https(trust=contexts[1], resolve=receiver.at_home)
    monkeypatch.setattr(outside, "PORTS", frozenset({there.port}))
    assert (await posted(sender, there.url())).fault == "address"
    assert there.connections == 0
    monkeypatch.setattr(outside, "may_be_reached", lambda *_, **__: True)
    assert (await posted(sender, there.url())).status == 204
    assert there.connections == 1
