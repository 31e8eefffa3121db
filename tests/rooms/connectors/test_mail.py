"""Letters as messages, and where they go: a folder, or a mail server over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email
import email.policy
import uuid
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest

from qucheng.connectors import mail, mail_texts
from qucheng.core import crypto, db, ids, letter, task

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

pytestmark = pytest.mark.anyio

NOW = dt.datetime(2026, 11, 22, 3, 0, tzinfo=dt.UTC)
SENDER, URL = "渠成 <no-reply@example.com>", "https://qucheng.example"
LETTER = letter.Letter(
    id=uuid.UUID("01890000-0000-7000-8000-000000000001"),
    kind="invitation",
    locale="zh-CN",
    to="li.qing@example.com",
    values={"token": "place.tok-en", "brand": "山岚", "role": "accountant"},
)


def composed(**changes: Any) -> Any:
    return mail.compose(msgspec.structs.replace(LETTER, **changes), sender=SENDER, public_url=URL, now=NOW)


def test_an_invitation_says_who_what_and_where() -> None:
    message = composed()
    assert (message["To"], message["Subject"]) == ("li.qing@example.com", "山岚 邀请你加入")
    assert message["Message-ID"] == "<01890000-0000-7000-8000-000000000001@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().replace("\r\n", "\n") == (
        "你好：\n\n山岚 邀请你担任会计。请在 7 天内打开以下链接接受邀请：\n\n"
        "https://qucheng.example/invitation#place.tok-en\n\n如果不认识对方，请忽略本邮件。\n"
    )


def test_every_letter_has_its_words() -> None:
    for kind in get_args(letter.Kind):
        for locale in get_args(mail_texts.Locale):
            text = composed(kind=kind, locale=locale, values={"token": "t0ken", "brand": "", "role": "operator"}).get_content()
            assert f"/{mail_texts.PATHS[kind]}#t0ken" in text
            assert "{" not in text


def test_a_letter_without_a_token_leads_to_a_page() -> None:
    message = composed(kind="second-factor", locale="en", values={})
    assert message["Subject"] == "Your second factor was replaced"
    assert message.get_content().replace("\r\n", "\n").endswith("listed here:\n\nhttps://qucheng.example/account/sessions\n")


def test_what_is_no_address_gets_no_letter() -> None:
    for to in ("", "nobody", "a@b\r\nBcc: c@d", "<a@b>", "a@b c@d"):
        with pytest.raises(mail.MailRefusedError):
            composed(to=to)


def test_a_name_cannot_add_a_header() -> None:
    message = composed(values={**LETTER.values, "brand": "x\r\nBcc: someone@example.com"})
    assert message["Bcc"] is None
    assert message["Subject"] == "x Bcc: someone@example.com 邀请你加入"


async def test_a_folder_keeps_each_as_a_file_of_its_owner(tmp_path: Path) -> None:
    post = mail.Folder(tmp_path / "outbox")
    await post.send(composed())
    await post.send(composed(locale="en"))
    files = sorted((tmp_path / "outbox").iterdir())
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    read = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
    assert {message["Subject"] for message in read} == {"山岚 邀请你加入", "山岚 invites you"}


class Server:
    """Speaks as much SMTP as it takes, and answers DATA as it is told."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.received: list[bytes] = []
        self.left = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")

        say("220 test")
        try:
            while line := (await reader.readline()).decode().strip().upper():
                if line.startswith("EHLO"):
                    say("250 test")
                elif line == "DATA":
                    say("354 go on")
                    self.received.append(await reader.readuntil(b"\r\n.\r\n"))
                    say(self.answer)
                elif line == "QUIT":
                    say("221 bye")
                    break
                else:
                    say("250 ok")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.left.set()

    async def close(self, server: asyncio.Server) -> None:
        """Not before the line is closed: asyncio does not wait for that."""
        server.close()
        await server.wait_closed()
        await asyncio.wait_for(self.left.wait(), 30)


async def sent(answer: str) -> Server:
    told = Server(answer)
    server = await asyncio.start_server(told, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await mail.Smtp(mail.read_server(f"smtp://127.0.0.1:{port}?tls=none")).send(composed())
    finally:
        await told.close(server)
    return told


async def test_a_server_gets_the_letter() -> None:
    told = await sent("250 taken")
    message = email.message_from_bytes(told.received[0].removesuffix(b".\r\n"), policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    assert message["Subject"] == "山岚 邀请你加入"
    assert "invitation#place.tok-en" in message.get_content()


async def test_a_final_no_is_a_refusal_and_any_other_is_tried_again() -> None:
    with pytest.raises(mail.MailRefusedError):
        await sent("550 never")
    with pytest.raises(OSError, match="does not take the letter now"):
        await sent("451 later")


async def test_a_server_that_offers_no_encryption_gets_nothing() -> None:
    told = Server("250 taken")
    server = await asyncio.start_server(told, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="does not answer as it should"):
        await mail.Smtp(mail.read_server(f"smtp://127.0.0.1:{port}")).send(composed())
    await told.close(server)
    assert told.received == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("smtp://mail.example", ("mail.example", 587, None, None, False, False)),
        ("smtps://u%40x:p%3Aw@mail.example", ("mail.example", 465, "u@x", "p:w", True, False)),
        ("smtp://u:p@mail.example:2525", ("mail.example", 2525, "u", "p", False, False)),
    ],
)
def test_the_address_of_a_server(url: str, found: tuple[object, ...]) -> None:
    server = mail.read_server(url)
    assert (server.host, server.port, server.user, server.password, server.encrypted, server.plain) == found


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example", "smtp://mail.example?tls=none"])
def test_what_is_no_address_of_a_server(url: str) -> None:
    with pytest.raises(mail.MailSettingError):
        mail.read_server(url)


@pytest.fixture
async def waiting(workspace: object, tmp_path: Path) -> tuple[crypto.Keys, task.Work]:
    """A letter of the database, and its task in hand."""
    assert workspace
    keys = crypto.keys(tmp_path)
    async with db.atomic():
        await letter.write(keys=keys, kind="password-reset", locale="en", to="a@example.com", values={"token": "t"}, now=NOW)
    ((task_id, _, _),) = [each for each in await task.to_ring() if (await task.read(each[0])).kind == "mail.send"]
    claimed = await task.claim(task_id, worker=ids.new_id(), kinds=["mail.send"])
    assert claimed is not None
    return keys, task.Work(claimed)


async def test_a_letter_is_sent_once_and_wiped(waiting: tuple[crypto.Keys, task.Work], owner: asyncpg.Connection) -> None:
    keys, work = waiting
    post = mail.Memory()
    await mail.deliver(work, post=post, keys=keys, sender=SENDER, public_url=URL, now=NOW)
    assert [message["To"] for message in post.sent] == ["a@example.com"]
    assert work.finished
    row = await owner.fetchrow(
        "SELECT to_cipher, values_cipher, sent_at FROM letter WHERE id = $1", uuid.UUID(work.task.subject["letter"])
    )
    assert tuple(row) == (None, None, NOW)
    with pytest.raises(task.LeaseLostError):  # the same attempt again: the letter is gone, and so is the task
        await mail.deliver(work, post=post, keys=keys, sender=SENDER, public_url=URL, now=NOW)
    assert len(post.sent) == 1


class Broken:
    async def send(self, message: object) -> None:
        raise OSError(type(message).__name__)


async def test_a_letter_that_was_not_taken_waits(waiting: tuple[crypto.Keys, task.Work]) -> None:
    keys, work = waiting
    with pytest.raises(OSError, match="EmailMessage"):
        await mail.deliver(work, post=Broken(), keys=keys, sender=SENDER, public_url=URL, now=NOW)
    found = await letter.read(keys=keys, letter_id=uuid.UUID(work.task.subject["letter"]))
    assert found is not None
    assert found.to == "a@example.com"
    assert not work.finished
    await task.cancel(work.task.id)
