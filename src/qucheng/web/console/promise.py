"""Promises of income in a text that somebody wrote, as a sentence beside the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qucheng.web import pages
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar import Request

    from qucheng.network.blocklist import Found

ONE = n_("This promises income: “%(found)s”, from character %(place)s on. Say what is paid for, not what can be earned.")
MOST_NAMED = 5
MORE = n_("This promises income: %(found)s. Say what is paid for, not what can be earned.")


def words(request: Request[Any, Any, Any], found: Sequence[Found]) -> str:
    """Names what was written, as it was written."""
    spoken = pages.words(request)
    if len(found) == 1:
        return spoken.gettext(ONE) % {"found": found[0].text, "place": found[0].at + 1}
    quoted = "「{}」" if spoken.chinese else "“{}”"
    named = ("、" if spoken.chinese else ", ").join(quoted.format(each.text) for each in found[:MOST_NAMED])
    return spoken.gettext(MORE) % {"found": named}
