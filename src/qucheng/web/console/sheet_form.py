"""A table that is sent as a file: the route that takes it, the file in one piece, and what is said of its columns and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qucheng.core import sheets
from qucheng.web import guards, streaming
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.web.texts import Texts

ROWS = n_("The file has no rows, or more than 5,000.")
COLUMNS = n_("These columns are missing or stand there twice: %(columns)s. The first row names the columns.")


def route(permission: str) -> dict[str, Any]:
    """For the decorator of who takes the file."""
    return {
        "opt": {**guards.page(permission), streaming.STREAMED: True},
        "status_code": 200,
        "request_max_body_size": sheets.LARGEST + streaming.ROOM,
    }


async def content(sent: streaming.Sent) -> bytes:
    return b"".join([piece async for piece in sent.pieces()])


def columns(words: Texts, refusal: sheets.SheetColumnsError) -> str:
    return words.gettext(COLUMNS) % {"columns": ", ".join([*refusal.missing, *refusal.twice])}
