"""What a code looks like: Crockford's 32 signs by chance and a check sign, as many as the strength asks for; pure.

The check sign is one parity over GF(32) with the weights 1, α, α², … from the last sign on. As the weights differ, one wrong sign
and two neighbours that changed places always show.
"""

from __future__ import annotations

import functools
import re
import secrets
from typing import Literal

Strength = Literal["light", "standard", "strong"]
# signs by chance, 5 bits each; the check sign comes on top
CHANCE: dict[Strength, int] = {"light": 12, "standard": 15, "strong": 16}
SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FIELD = 32
# x⁵ + x² + 1
POLYNOMIAL = 0b100101
SHORTEST, LONGEST = 4, 64
# what is shown of a code in clear: four signs of a long one, a third of a short one
TAIL = 4
READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})
JOINED = str.maketrans({" ": None, "-": None, "\u00a0": None, "\u3000": None, "‐": None, "‑": None})
LENGTHS = frozenset(count + 1 for count in CHANCE.values())
_OWN = re.compile(f"[{SIGNS}]+")
_VALUES = {sign: value for value, sign in enumerate(SIGNS)}
_OF_BYTE = bytes(value % FIELD for value in range(256))
_SHOWN = SIGNS.encode() + bytes(256 - FIELD)


def times_alpha(value: int) -> int:
    value <<= 1
    return value ^ POLYNOMIAL if value & FIELD else value


@functools.cache
def weights(length: int) -> tuple[bytes, ...]:
    """For each place of a code of that many signs, the table that multiplies by its weight; the last weight is 1."""
    table, tables = bytes(range(256)), []
    for _ in range(length):
        tables.append(table)
        table = bytes(times_alpha(value) if value < FIELD else 0 for value in table)
    return tuple(reversed(tables))


def many(count: int, strength: Strength = "standard") -> list[str]:
    """Codes by chance, made column by column: one call of the system for all, no step for each code but its own text."""
    chance = CHANCE[strength]
    values = secrets.token_bytes(count * chance).translate(_OF_BYTE)
    tables, check = weights(chance + 1), 0
    columns = [values[place * count : (place + 1) * count] for place in range(chance)]
    for column, table in zip(columns, tables, strict=False):
        check ^= int.from_bytes(column.translate(table), "big")
    laid = bytearray(count * (chance + 1))
    for place, column in enumerate([*columns, check.to_bytes(count, "big")]):
        laid[place :: chance + 1] = column
    text = laid.translate(_SHOWN).decode("ascii")
    return [text[start : start + chance + 1] for start in range(0, len(text), chance + 1)]


def read(typed: str) -> str | None:
    """The code that was meant, where it is one of ours: O is 0, I and L are 1, spaces and hyphens nothing."""
    plain = typed.upper().translate(READ_AS)
    return plain if len(plain) in LENGTHS and _OWN.fullmatch(plain) and _parity(plain) == 0 else None


def _parity(plain: str) -> int:
    parity = 0
    for sign, table in zip(plain, weights(len(plain)), strict=True):
        parity ^= table[_VALUES[sign]]
    return parity


def grouped(plain: str) -> str:
    """`ABCD-EFGH-…`, as it is easiest read out and typed."""
    return "-".join(plain[start : start + 4] for start in range(0, len(plain), 4))


def joined(given: str) -> str:
    """What two spellings of a supplier's code have in common: all but spaces and hyphens, its letters as they are."""
    return given.translate(JOINED)


def meanings(typed: str) -> list[str]:
    """What may be looked for when this was typed: the supplier's code it is, and ours where it is one."""
    own, other = read(typed), joined(typed.strip())
    return [other] if own is None or own == other else [own, other]


def fit(given: str) -> bool:
    """Whether a supplier's code can be kept: printable, and of a length that can be one."""
    return given.isprintable() and len(joined(given)) >= SHORTEST and len(given) <= LONGEST


def weak(given: str, *, pin: bool) -> bool:
    """Whether it can be guessed among a million: less than 50 bits by its length and the kinds of its signs, and no PIN beside it."""
    plain = joined(given)
    kinds = (10 * any(map(str.isdigit, plain))) + (26 * any(map(str.isupper, plain))) + (26 * any(map(str.islower, plain)))
    return not pin and max(kinds, 2) ** len(plain) < 1 << 50


def tail(given: str) -> str:
    """What stands in clear beside the ciphertext."""
    plain = joined(given) if given.isprintable() else ""
    shown = min(TAIL, len(plain) // 3)
    return plain[len(plain) - shown :]
