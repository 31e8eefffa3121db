"""The fonts of a statement and the only door through which the renderer reads anything: our own assets, from memory."""

from __future__ import annotations

import functools
import importlib.resources
import io
import unicodedata
from pathlib import Path

from fontTools.ttLib import TTFont

FOLDER = Path(__file__).resolve().with_name("fonts")
FONTCONFIG_FILE = FOLDER.joinpath("fonts.conf")
SCHEME = "statement-asset:"

_SUBSETS = {"regular": "QuchengSans-Regular.otf", "bold": "QuchengSans-Bold.ttf"}
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

FONT_FACES = f"""
@font-face {{ font-family: "Qucheng Sans"; font-weight: 400; src: url("{SCHEME}regular") }}
@font-face {{ font-family: "Qucheng Sans"; font-weight: 700; src: url("{SCHEME}bold") }}
@font-face {{ font-family: "Qucheng Sans Full"; src: url("{SCHEME}full") }}
"""


class AssetRefusedError(LookupError):
    """A statement asked for something that is not one of its own assets."""


def asset(url: str) -> bytes:
    """The bytes of one of our own assets; whatever else is asked for is refused, whatever the scheme."""
    name = url.removeprefix(SCHEME) if url.startswith(SCHEME) else ""
    if name in _SUBSETS:
        return FOLDER.joinpath(_SUBSETS[name]).read_bytes()
    if name == "full":
        return _full()
    raise AssetRefusedError(f"a statement reads nothing but its own assets, not {url[:80]!r}")


def printable(text: str) -> str:
    """The text with every character that has no glyph, or that would work unseen (direction marks, zero width), as `[U+202E]`."""
    if text.isascii() and text.isprintable():
        return text
    glyphs = _glyphs()
    return "".join(
        char if ord(char) in glyphs and unicodedata.category(char) not in _UNSEEN else f"[U+{ord(char):04X}]" for char in text
    )


def _full() -> bytes:
    return importlib.resources.files("pylopdf_fonts_zh_cn").joinpath("NotoSansSC-Regular.otf").read_bytes()


@functools.cache
def _glyphs() -> frozenset[int]:
    with TTFont(io.BytesIO(_full()), lazy=True) as font:
        return frozenset(font.getBestCmap())
