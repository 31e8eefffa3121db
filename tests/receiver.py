"""A receiver of webhooks on this machine: a real HTTPS server with a certificate of a test's own authority, and its own record."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAME = "hooks.example.com"
HERE = ("127.0.0.0/8",)


@dataclass(frozen=True)
class Hit:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """answers: for each path what it does, one after the other, and the last of them for ever; 204 where nothing is said."""

    port: int = 0
    connections: int = 0
    names: list[str | None] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    answers: dict[str, collections.deque[str]] = field(default_factory=dict)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    serving: set[asyncio.Task[None] | None] = field(default_factory=set)

    def url(self, path: str = "/hook", host: str = NAME) -> str:
        return f"https://{host}:{self.port}{path}"

    def does(self, path: str, *answers: str) -> None:
        self.answers[path] = collections.deque(answers)

    def took(self, path: str = "/hook") -> list[str]:
        """The numbers of the messages that came there, in order."""
        return [hit.headers["webhook-id"] for hit in self.hits if hit.path == path]

    def _next(self, path: str) -> str:
        planned = self.answers.get(path)
        if not planned:
            return "204"
        return planned.popleft() if len(planned) > 1 else planned[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            path = first.split(" ")[1]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.hits.append(Hit(path, headers, body))
            await self._answer(self._next(path), writer)
        writer.close()
        self.serving.discard(asyncio.current_task())

    async def _answer(self, what: str, writer: asyncio.StreamWriter) -> None:
        if what == "hang":
            await self.open.wait()
        elif what == "cut":
            return
        elif what == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not self.open.is_set():
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.05)
        elif what == "large":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 200_000)
            await writer.drain()
            await self.open.wait()
        else:
            status, _, rest = what.partition(" ")
            location = f"location: {rest}\r\n" if status.startswith("3") else ""
            text = b"" if location else rest.encode()
            writer.write(f"HTTP/1.1 {status} x\r\n{location}content-length: {len(text)}\r\n\r\n".encode() + text)
            await writer.drain()


def authority(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, Path]:
    """For the receiver, for who sends to it, and the file that says whom to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = dt.datetime.now(dt.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME), x509.DNSName("localhost"), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown, held = folder / "receiver.pem", folder / "receiver.key"
    shown.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    held.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(shown, held)
    return served, ssl.create_default_context(cafile=str(shown)), shown


@contextlib.asynccontextmanager
async def running(served: ssl.SSLContext) -> AsyncIterator[Receiver]:
    made = Receiver()
    served.sni_callback = lambda _socket, name, _context: made.names.append(name)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=served, limit=1 << 20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.open.set()
        server.close()
        await server.wait_closed()
        answering = [task for task in made.serving if task is not None and not task.done()]
        if answering:
            await asyncio.wait(answering, timeout=5)


async def at_home(_host: str, _port: int) -> list[str]:
    """Every name is this machine's."""
    return ["127.0.0.1"]
