"""Promises of income, which no text that resellers see may hold: a list of phrases, found however they are written.

Width, case, accents, what stands between the characters and traditional forms make no difference. The list is data
(blocklist.toml); what it finds is said with its place, so that whoever wrote it can mend it.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIST = Path(__file__).with_name("blocklist.toml")
# what is written for a letter
FOR_LETTERS = str.maketrans("01345$7@!", "oieasstai") | str.maketrans("аеікорсухαικνορυ", "aeikopcyxaikvopu")
# letters that show nothing: the fillers of Hangul
UNSEEN = frozenset("\u115f\u1160\u3164\uffa0")


class PromiseError(errors.RefusedError):
    """A text promises income."""

    code: ClassVar[str] = "text.promise"
    status: ClassVar[int] = 422

    def __init__(self, found: list[Found]) -> None:
        super().__init__(f"This promises income: {', '.join(repr(each.text) for each in found)}.")
        self.found = found


class Found(msgspec.Struct, frozen=True):
    """phrase: as it is listed. text: as it is written, from the character number `at` on."""

    phrase: str
    text: str
    at: int


class _Pattern(msgspec.Struct, frozen=True):
    phrase: str
    pattern: str


class _Listed(msgspec.Struct, frozen=True):
    chinese: list[str]
    english: list[str]
    traditional: str
    figures: list[_Pattern]
    sentences: list[_Pattern]


class _Text(msgspec.Struct, frozen=True):
    """What is left of a text, and where each character of it stood."""

    left: str
    places: list[int]


_LISTED = msgspec.convert(tomllib.loads(LIST.read_text(encoding="utf-8")), _Listed)
_SIMPLE = str.maketrans(_LISTED.traditional[::2], _LISTED.traditional[1::2])


def faults(text: str) -> list[Found]:
    """What of the list stands in the text, by place; of what overlaps the longest."""
    plain = _plain(text)
    chinese = _only(plain, lambda sign: unicodedata.category(sign) in {"Lo", "Ll"})
    figures = _only(plain, str.isalnum)
    latin = _only(_Text(plain.left.translate(FOR_LETTERS), plain.places), str.isalnum)
    found = [
        *(hit for phrase in _LISTED.chinese for hit in _hits(text, chinese, phrase, re.escape(phrase))),
        *(hit for each in _LISTED.figures for hit in _hits(text, figures, each.phrase, each.pattern)),
        *(hit for each in _LISTED.sentences for hit in _hits(text, plain, each.phrase, each.pattern)),
        *(
            hit
            for phrase in _LISTED.english
            for form in (figures, latin)
            for hit in _hits(text, form, phrase, re.escape(phrase.replace(" ", "")))
            if _whole_words(text, hit)
        ),
    ]
    return _longest(found)


def require(*texts: str | None) -> None:
    """Raises PromiseError with all that stands in them."""
    found = [each for text in texts if text is not None for each in faults(text)]
    if found:
        raise PromiseError(found)


def _plain(text: str) -> _Text:
    """In one width and case, without accents and marks that are not seen, in simplified characters."""
    signs = [
        (sign, place)
        for place, written in enumerate(text)
        for sign in unicodedata.normalize("NFKD", written).casefold().translate(_SIMPLE)
        if unicodedata.category(sign) not in {"Mn", "Me", "Cf"} and sign not in UNSEEN
    ]
    return _Text("".join(sign for sign, _ in signs), [place for _, place in signs])


def _only(text: _Text, kept: Callable[[str], bool]) -> _Text:
    signs = [(sign, place) for sign, place in zip(text.left, text.places, strict=True) if kept(sign)]
    return _Text("".join(sign for sign, _ in signs), [place for _, place in signs])


def _hits(text: str, form: _Text, phrase: str, pattern: str) -> Iterator[Found]:
    for match in re.finditer(pattern, form.left):
        first, last = form.places[match.start()], form.places[match.end() - 1]
        yield Found(phrase, text[first : last + 1], first)


def _whole_words(text: str, hit: Found) -> bool:
    """Not inside longer words: a target rich in orders is none."""
    before, after = text[: hit.at][-1:], text[hit.at + len(hit.text) :][:1]
    return not any(sign.isascii() and sign.isalpha() for sign in (before, after))


def _longest(found: list[Found]) -> list[Found]:
    kept: list[Found] = []
    for each in sorted(found, key=lambda hit: (hit.at, -len(hit.text))):
        if not kept or each.at + len(each.text) > kept[-1].at + len(kept[-1].text):
            kept.append(each)
    return kept
