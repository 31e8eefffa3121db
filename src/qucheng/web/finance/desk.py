"""What the pages of the desk share: who people are, and what stands in an address."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from litestar import Request

from qucheng.identity import user as users
from qucheng.web import pages
from qucheng.web import site as sites
from qucheng.web.finance import books
from qucheng.web.texts import n_

PAGE = 20
LONGEST_TEXT = 80
NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
REASONS = {
    "correction": n_("Correction"),
    "goodwill": n_("Goodwill"),
    "campaign": n_("Campaign"),
    "fee": n_("Fee"),
    "dispute": n_("Answer to a dispute"),
    "other": n_("Something else"),
}


class Span(msgspec.Struct, frozen=True):
    """Which rows a page shows, and where its neighbours are."""

    first: int
    last: int
    total: int
    before: str | None
    after: str | None


def page_number(request: Request[Any, Any, Any]) -> int:
    """The first where the address has none that is one."""
    given = request.query_params.get("page", "1")
    return int(given) if NUMBER.fullmatch(given) else 1


def span(path: str, kept: dict[str, str], number: int, shown: int, total: int) -> Span:
    first = (number - 1) * PAGE + 1
    before = books.address(path, kept, page=str(number - 1)) if number > 1 else None
    after = books.address(path, kept, page=str(number + 1)) if first + PAGE <= total else None
    return Span(min(first, total), first + shown - 1 if shown else min(first, total), total, before, after)


def text(given: str | None) -> str:
    """Words that somebody looks for, or nothing."""
    return "".join(letter for letter in given or "" if letter.isprintable()).strip()[:LONGEST_TEXT]


def an_id(given: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(given or "")
    except ValueError:
        return None


async def names(request: Request[Any, Any, Any], people: Iterable[uuid.UUID | None]) -> dict[uuid.UUID, str]:
    wanted = sorted({each for each in people if each is not None})
    found = await users.named(keys=sites.of(request).keys, user_ids=wanted) if wanted else {}
    return {user_id: user.name for user_id, user in found.items()}


def reasons(request: Request[Any, Any, Any]) -> dict[str, str]:
    words = pages.words(request)
    return {code: words.gettext(word) for code, word in REASONS.items()}
