"""Mail: letters of the product as messages, and where they go: into memory, a folder, or an SMTP server."""

from __future__ import annotations

import email.message
import email.policy
import email.utils
import os
import re
import ssl
import uuid
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib import parse

import aiosmtplib
import msgspec

from qucheng.connectors import mail_texts
from qucheng.core import clock, errors, letter

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from qucheng.core import crypto, task

TIMEOUT_SECONDS = 20
ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
PORTS = {"smtp": 587, "smtps": 465}


class MailSettingError(errors.RefusedError):
    code: ClassVar[str] = "mail.setting"
    status: ClassVar[int] = 422


class MailRefusedError(errors.RefusedError):
    """The server will never take this letter."""

    code: ClassVar[str] = "mail.refused"
    status: ClassVar[int] = 422


class Post(Protocol):
    async def send(self, message: email.message.EmailMessage) -> None:
        """Raises MailRefusedError where it makes no sense to try again, OSError where it does."""


class Memory:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[email.message.EmailMessage] = []

    async def send(self, message: email.message.EmailMessage) -> None:
        self.sent.append(message)


class Folder:
    """One file for each letter, readable by its owner only: they hold tokens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: email.message.EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._folder / f"{clock.now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.eml"
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(message.as_bytes(policy=email.policy.SMTP))


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """encrypted: from the first byte (smtps). plain: not at all, which only a server on this machine is allowed."""

    host: str
    port: int
    user: str | None
    password: str | None
    encrypted: bool
    plain: bool


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is told of by mail. place: whose news it is, None for the platform. address: of a page of ours."""

    id: uuid.UUID
    to: str
    locale: mail_texts.Locale
    place: str | None
    title: str
    lines: list[str]
    address: str


class Smtp:
    def __init__(self, server: Server) -> None:
        self._server = server

    async def send(self, message: email.message.EmailMessage) -> None:
        server = self._server
        try:
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.encrypted,
                start_tls=not (server.encrypted or server.plain),
                tls_context=None if server.plain else ssl.create_default_context(),
                timeout=TIMEOUT_SECONDS,
            )
        except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            if _permanent(error):
                raise MailRefusedError("The mail server refuses this letter.") from None
            raise OSError("the mail server does not take the letter now") from None
        except aiosmtplib.SMTPException:
            raise OSError("the mail server does not answer as it should") from None


def _permanent(error: aiosmtplib.SMTPException) -> bool:
    codes = (
        [each.code for each in error.recipients]
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused)
        else [getattr(error, "code", 0)]
    )
    return bool(codes) and all(500 <= code < 600 for code in codes)  # noqa: PLR2004 - RFC 5321: 5yz is final


def read_server(url: str) -> Server:
    """smtp://user:password@host:port begins plain and goes over to TLS, or refuses; smtps:// is TLS from the start."""
    parts = parse.urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise MailSettingError("The address of a mail server begins with smtp:// or smtps:// and names a host.")
    plain = parts.query == "tls=none"
    if plain and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise MailSettingError("Only a mail server on this machine is spoken to without TLS.")
    return Server(
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        user=parse.unquote(parts.username) if parts.username else None,
        password=parse.unquote(parts.password) if parts.password else None,
        encrypted=parts.scheme == "smtps",
        plain=plain,
    )


def chosen(*, mail_url: str | None, folder: Path) -> Post:
    """The mail server of the settings; without one, a folder."""
    return Smtp(read_server(mail_url)) if mail_url else Folder(folder)


def compose(found: letter.Letter, *, sender: str, public_url: str, now: dt.datetime) -> email.message.EmailMessage:
    """A plain text with one link. Raises MailRefusedError where the address is none."""
    if ADDRESS.fullmatch(found.to) is None:
        raise MailRefusedError("The letter is addressed to nobody.")
    subject, text = mail_texts.TEXTS[found.kind, found.locale]
    link = public_url + (found.values.get("path") or f"/{mail_texts.PATHS[found.kind]}")
    if "token" in found.values:
        link += f"#{parse.quote(found.values['token'])}"
    role = mail_texts.ROLES.get((found.values.get("role", ""), found.locale), "")
    brand = found.values.get("brand") or mail_texts.PRODUCT[found.locale]
    return _message(
        sender=sender,
        to=found.to,
        subject=subject.format(brand=brand),
        text=text.format(brand=brand, role=role, link=link, order=found.values.get("order", "")),
        number=found.id,
        now=now,
    )


def notice(found: Notice, *, sender: str, public_url: str, now: dt.datetime) -> email.message.EmailMessage:
    """A plain text with a line for each thing, and a link. Raises MailRefusedError where the address is none."""
    if ADDRESS.fullmatch(found.to) is None:
        raise MailRefusedError("The letter is addressed to nobody.")
    text = mail_texts.NOTICE[found.locale].format(
        lines="\n".join(found.lines), link=public_url + found.address, settings=public_url + mail_texts.SETTINGS
    )
    place = found.place or mail_texts.PRODUCT[found.locale]
    subject = mail_texts.NOTICE_SUBJECT[found.locale].format(place=place, title=found.title)
    return _message(sender=sender, to=found.to, subject=subject, text=text, number=found.id, now=now)


def _message(*, sender: str, to: str, subject: str, text: str, number: uuid.UUID, now: dt.datetime) -> email.message.EmailMessage:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"] = sender, to
    message["Subject"] = " ".join(subject.split())
    message["Date"] = email.utils.format_datetime(now)
    message["Message-ID"] = f"<{number}@{sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


async def deliver(work: task.Work, *, post: Post, keys: crypto.Keys, sender: str, public_url: str, now: dt.datetime) -> None:
    """The task of a letter. A crash after sending sends it again, under the same Message-ID: better than not at all."""
    letter_id = uuid.UUID(work.task.subject["letter"])
    found = await letter.read(keys=keys, letter_id=letter_id)
    if found is not None:
        await post.send(compose(found, sender=sender, public_url=public_url, now=now))
    async with work.finishing():
        await letter.wipe(letter_id=letter_id, now=now)
