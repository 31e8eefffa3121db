"""Images as their first bytes say: which kind, how wide, how high. Only PNG, JPEG and WebP, and nothing is decoded."""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

Kind = Literal["image/png", "image/jpeg", "image/webp"]
LARGEST = 1 << 20
MOST_PIXELS_A_SIDE = 4096
PNG_MARK, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
JPEG_MARK, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
# the markers of a frame; those between that are none: tables, and an arithmetic extension
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
SCAN, FILL = 0xDA, 0xFF
LEAST_WEBP, LOSSLESS = 30, 0x2F


class Shape(msgspec.Struct, frozen=True):
    kind: Kind
    width: int
    height: int


def shape(content: bytes) -> Shape | None:
    """None for what is no whole image of a kind that is taken. Sizes are as the file says, whatever they are."""
    found = _png(content) or _jpeg(content) or _webp(content)
    return found if found is not None and found.width > 0 and found.height > 0 else None


def _png(content: bytes) -> Shape | None:
    if not content.startswith(PNG_MARK) or content[12:16] != b"IHDR" or not content.endswith(PNG_END):
        return None
    return Shape("image/png", *struct.unpack(">II", content[16:24]))


def _jpeg(content: bytes) -> Shape | None:
    """Segment by segment to the one that says how large the frame is."""
    if not content.startswith(JPEG_MARK) or not content.rstrip(b"\0").endswith(JPEG_END):
        return None
    at = 2
    while at + 9 <= len(content):
        mark, kind = content[at], content[at + 1]
        if mark != FILL or kind == SCAN:
            return None
        if kind in FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return Shape("image/jpeg", width, height)
        at += 1 if kind == FILL else 2 if kind in WITHOUT_LENGTH else 2 + max(2, int.from_bytes(content[at + 2 : at + 4], "big"))
    return None


def _webp(content: bytes) -> Shape | None:
    if len(content) < LEAST_WEBP or content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return None
    length = int.from_bytes(content[4:8], "little") + 8
    if length not in (len(content), len(content) + 1):
        return None
    width, height = _webp_size(content)
    return Shape("image/webp", width, height) if width else None


def _webp_size(content: bytes) -> tuple[int, int]:
    """Of the three forms: lossy, lossless, extended; 0 for another."""
    form = content[12:16]
    if form == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", content[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L" and content[20] == LOSSLESS:
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    return 0, 0
