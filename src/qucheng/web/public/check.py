"""The page behind the QR code of a statement: whoever holds the paper compares it. It asks for no cookie and knows nobody."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, params

from qucheng.core import limits
from qucheng.settlement import public_check
from qucheng.web import auth, guards, pages
from qucheng.web import site as sites

FORM = "/s"
# a person with a pile of papers, and nobody who tries numbers; it only reads, so it stays open where nobody can count
LOOKS = limits.Limit(name="statement-check", count=60, seconds=300)
HEADERS = {"x-robots-tag": "noindex, nofollow", "referrer-policy": "no-referrer"}
LONGEST = 100


@get(FORM, opt=guards.page(guards.ANYBODY))
async def by_hand(request: Request[Any, Any, Any]) -> Response[Any]:
    """Number and hash, copied from the paper."""
    number = request.query_params.get("number")
    if number is None:
        return _view(request, 200, number="", digits="", found=None)
    return await _compared(request, number, request.query_params.get("h", ""))


@get("/s/{statement_no:str}", opt=guards.page(guards.ANYBODY))
async def by_code(request: Request[Any, Any, Any], statement_no: params.FromPath[str]) -> Response[Any]:
    """The address in the QR code."""
    return await _compared(request, statement_no, request.query_params.get("h", ""))


async def _compared(request: Request[Any, Any, Any], number: str, digits: str) -> Response[Any]:
    """A number that there is not, a hash that is another's and a statement that is not published yet get the same answer."""
    await sites.of(request).limit(LOOKS, subject=auth.network(request))
    paper = await public_check.look(number=number, digits=digits)
    if paper is None:
        return _view(request, 404, number=number[:LONGEST], digits=digits[:LONGEST], found=False)
    return pages.open_view(request, "public/paper.html", headers=HEADERS, paper=paper)


def _view(request: Request[Any, Any, Any], status: int, **values: object) -> Response[Any]:
    return pages.open_view(request, "public/check.html", status=status, headers=HEADERS, **values)
