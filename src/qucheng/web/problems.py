"""What went wrong, as problem+json (RFC 9457) or as a page: a refusal by its code, anything else without a word about its cause."""

from __future__ import annotations

import http
import logging
from typing import TYPE_CHECKING, Any

from litestar import Response, exceptions

from qucheng.core import errors, passing
from qucheng.web import auth, guards, machines, pages, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar import Request
    from litestar.types import ExceptionHandlersMap

log = logging.getLogger(__name__)


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: str | None = None,
    headers: dict[str, str] | None = None,
    faults: Sequence[object] = (),
) -> Response[Any]:
    if guards.is_page(request):
        page = pages.problem(request, status=status, code=code, detail=detail)
        page.headers.update(headers or {})
        return page
    problem: dict[str, Any] = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status, "code": code}
    if detail is not None:
        problem["detail"] = detail
    if faults:
        problem["errors"] = faults
    if guards.is_api(request):
        problem["instance"] = f"urn:qucheng:request:{auth.request_id()}"
        headers = {**machines.headers(request), **(headers or {})}
    return Response(problem, status_code=status, media_type="application/problem+json", headers=headers)


def _refused(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> Response[Any]:
    detail = refusals.sentence(refusal, pages.words(request)) if guards.is_page(request) else str(refusal)
    faults: Sequence[object] = getattr(refusal, "faults", ())
    return _answer(request, refusal.status, refusal.code, detail, refusals.headers(refusal), faults)


def _http(request: Request[Any, Any, Any], error: exceptions.HTTPException) -> Response[Any]:
    """Litestar's own: its detail may repeat what was sent."""
    if error.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    phrase = http.HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    return _answer(request, error.status_code, f"http.{phrase}", headers=error.headers)


def _elsewhere(_request: Request[Any, Any, Any], step: guards.ElsewhereError) -> Response[Any]:
    return pages.elsewhere(step.path)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("a request failed", exc_info=error)
    if passing.passes(error):
        return _refused(request, passing.BusyError("This was held up for a moment: send the same once more."))
    return _answer(request, http.HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected")


HANDLERS: ExceptionHandlersMap = {
    errors.RefusedError: _refused,
    exceptions.HTTPException: _http,
    guards.ElsewhereError: _elsewhere,
    Exception: _unexpected,
}
