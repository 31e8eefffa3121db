"""The one-time code that is asked for again before money moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qucheng.core import clock, errors, limits
from qucheng.identity import second_factor
from qucheng.web import auth, pages, refusals
from qucheng.web import site as sites
from qucheng.web.account import second_factor as codes

if TYPE_CHECKING:
    from litestar import Request

REFUSED = (
    second_factor.CodeWrongError,
    second_factor.CodeBlockedError,
    second_factor.NotEnrolledError,
    limits.LimitedError,
    limits.LimiterDownError,
)


async def require(request: Request[Any, Any, Any], code: str) -> None:
    """Raises one of REFUSED. A code that was taken is used up, whatever becomes of what it was given for."""
    if not code.strip():  # a field left empty is no try
        raise second_factor.CodeWrongError("The code is wrong, or was used already.")
    site, who = sites.of(request), auth.principal(request)
    await site.limit(codes.CODES, subject=str(who.user_id))
    await second_factor.check(keys=site.keys, user_id=who.user_id, code=code[: codes.LONGEST_CODE], now=clock.now())


def status(refusal: errors.RefusedError) -> int:
    """A wrong code is a mistake in a form; 401 is of who is not signed in."""
    return 422 if isinstance(refusal, second_factor.CodeWrongError) else refusal.status


def fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    return pages.Fault(field="code", message=refusals.sentence(refusal, pages.words(request)))
