"""What went wrong, as problem+json (RFC 9457): a refusal by its code, anything else without a word about its cause."""

from __future__ import annotations

import http
import logging
from typing import TYPE_CHECKING, Any

from litestar import Response, exceptions

from qucheng.core import errors

if TYPE_CHECKING:
    from litestar import Request
    from litestar.types import ExceptionHandlersMap

log = logging.getLogger(__name__)


def _answer(status: int, code: str, detail: str | None = None, headers: dict[str, str] | None = None) -> Response[dict[str, Any]]:
    problem: dict[str, Any] = {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status, "code": code}
    if detail is not None:
        problem["detail"] = detail
    return Response(problem, status_code=status, media_type="application/problem+json", headers=headers)


def _refused(_request: Request[Any, Any, Any], refusal: errors.RefusedError) -> Response[dict[str, Any]]:
    return _answer(refusal.status, refusal.code, str(refusal))


def _http(request: Request[Any, Any, Any], error: exceptions.HTTPException) -> Response[dict[str, Any]]:
    """Litestar's own: its detail may repeat what was sent."""
    if error.status_code >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    phrase = http.HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
    return _answer(error.status_code, f"http.{phrase}", headers=error.headers)


def _unexpected(_request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    log.error("a request failed", exc_info=error)
    return _answer(http.HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected")


HANDLERS: ExceptionHandlersMap = {
    errors.RefusedError: _refused,
    exceptions.HTTPException: _http,
    Exception: _unexpected,
}
