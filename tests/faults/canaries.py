"""Where a secret could be left behind, what it would look like there, and the search for it."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pypdf
import xlsxwriter
from pypdf.errors import PdfReadError
from tests import serving

from qucheng.core import health, servers
from qucheng.core.embedded import binaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis
    from tests.faults.site import Site

MARK = "QZ7CANARY"
STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)


def canary(number: int) -> str:
    """No other text looks like it; all of them begin the same, whole or without hyphens."""
    return f"{MARK}-{zlib.crc32(str(number).encode()):08X}-{number:04}"


def looks(secret: str) -> list[bytes]:
    """As it would stand in small letters, as hexadecimal digits, in the two bytes of a file name, in base64 wherever it begins."""
    found = []
    for text in {secret, secret.replace("-", ""), secret.replace("-", "%2d")}:
        low, plain = text.lower(), text.encode()
        found += [low.encode(), low.encode("utf-16-le"), plain.hex().encode(), low.encode().hex().encode()]
        for shift in range(3):
            whole = base64.b64encode(b"\0" * shift + plain)
            # the characters that no neighbour has a part in; in small letters, as everything is searched
            found.append(whole[-(-8 * shift // 6) : (shift + len(plain)) * 8 // 6].lower())
    return found


def found(needles: list[bytes], contents: Iterator[tuple[str, bytes]]) -> set[str]:
    """In which of them."""
    return {name for name, content in contents for low in [content.lower()] if any(needle in low for needle in needles)}


def unfolded(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """With what is packed in it, and the text of papers."""
    yield name, name.encode() + b"\n" + content
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for member in packed.namelist():
                yield from unfolded(f"{name}!{member}", packed.read(member))
    elif content.startswith(b"%PDF"):
        for number, stream in enumerate(STREAM.findall(content)):
            yield f"{name}#{number}", zlib.decompressobj().decompress(stream) if stream[:1] == b"x" else stream
        try:
            yield f"{name}#text", "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages).encode()
        except PdfReadError:
            return


def folder(at: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(at.rglob("*")):
        if file.is_file():
            yield from unfolded(str(file.relative_to(at)), file.read_bytes())


def dump(at: Site) -> Iterator[tuple[str, bytes]]:
    """Every table and every large object, as SQL."""
    program = binaries.postgres() / "pg_dump"
    done = subprocess.run(
        [program, "--large-objects", "--dbname", servers.database_url(at.settings)], stdout=subprocess.PIPE, check=True
    )
    for statement in done.stdout.split(b"\n\n"):
        yield statement[:60].decode(errors="replace"), statement


def kept(client: redis.Redis) -> Iterator[tuple[str, bytes]]:
    """Every key of Valkey with its value, packed and as it is read."""
    reading: dict[Any, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"stream": client.xrange,
        b"zset": lambda name: client.zrange(name, 0, -1),
    }
    for key in client.scan_iter(count=1000):
        read = reading.get(client.type(key), repr)
        packed: Any = client.dump(key)
        yield key.decode(), key + b" " + (packed or b"") + b" " + repr(read(key)).encode()


def figures(at: Site, web: serving.Web) -> Iterator[tuple[str, bytes]]:
    answer = httpx.get(
        f"http://127.0.0.1:{web.port}/metrics",
        headers={"authorization": f"Bearer {health.metrics_token(at.settings)}"},
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 200
    yield "metrics", answer.content


def command(at: Site, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "qucheng.cli", *arguments],
        env={**serving.environment(at.var), "TMPDIR": str(at.var / "tmp")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert MARK not in done.stdout + done.stderr
    return done.stdout


def hits(codes: list[str], content: bytes) -> int:
    return sum(1 for code in codes if code.encode() in content)


def sheet(codes: list[str]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        page = book.add_worksheet()
        for row, text in enumerate(["code", *codes]):
            page.write(row, 0, text)
    return out.getvalue()
