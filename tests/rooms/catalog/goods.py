"""A brand with SKUs of every kind, and small images whose bytes are made here."""

from __future__ import annotations

import struct
import uuid
import zlib
from typing import TYPE_CHECKING

from tests import books

from qucheng.catalog import queries, rules, sku
from qucheng.core import audit

if TYPE_CHECKING:
    from pathlib import Path

    from qucheng.identity.brand import Brand

ACTOR = audit.Actor(user_id=None, role="manager", network="198.51.100.0/24")
MONTH = rules.Facts(name="会员月卡", category="video", list_price_minor=10000)
SKUS = ["card,会员月卡,video,100.00,60.00", "tea,乌龙茶,tea,30.00,20.00", "coupon,满减券,video,10.00,0"]


async def brand(folder: Path, **tables: list[str]) -> Brand:
    tables = {"skus": SKUS, **tables}
    bundle = books.write(folder / uuid.uuid4().hex, code=f"b-{uuid.uuid4().hex[:20]}", **tables)  # type: ignore[arg-type]
    made = await books.found(bundle)
    await books.take_in(made, bundle)
    return made


async def say(brand: Brand, code: str, **changes: object) -> int:
    """Whatever it is at."""
    wanted = sku.Changes(**changes)  # type: ignore[arg-type]
    return await sku.change(brand_id=brand.id, code=code, seen=None, changes=wanted, actor=ACTOR, now=books.NOW)


async def one(brand: Brand, code: str) -> queries.Sku:
    return await queries.sku(brand_id=brand.id, code=code)


async def trail(brand: Brand, code: str) -> list[tuple[object, ...]]:
    found = await queries.history(brand_id=brand.id, code=code)
    return [(each.action, each.before, each.after) for each in reversed(found)]


def part(code: str, quantity: int, share_ppm: int) -> rules.Part:
    return rules.Part(sku=code, quantity=quantity, share_ppm=share_ppm)


def png(width: int = 2, height: int = 3, *, colour: bytes = b"\x00\x7f\xff") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + colour * width for _ in range(height)) if width * height < 10**6 else b""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg(width: int = 5, height: int = 4) -> bytes:
    """Only its segments: what a frame says of its size."""
    jfif = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
    return b"\xff\xd8" + jfif + frame + b"\xff\xda\0\x02\0" + b"\xff\xd9"


def webp(width: int = 7, height: int = 6) -> bytes:
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(extended) + 4) + b"WEBP" + extended
