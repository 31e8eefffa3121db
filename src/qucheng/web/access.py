"""Around every request: its id, the headers that protect its answer, one line in the log, one count in the metrics.

Neither line nor count has the path, the query, a header or a body: the route's template says which door it was.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from litestar import enums

from qucheng.core import ids

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    from qucheng.web import metrics

log = structlog.get_logger("qucheng.web.access")

REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "(none)"
# more than so many are not begun: who waits for one of few connections longer than anybody listens, is better told at once
MOST_AT_ONCE = 512
HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}


class Access:
    def __init__(self, app: ASGIApp, counted: metrics.Metrics) -> None:
        self.app = app
        self.counted = counted
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != enums.ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        started, status = time.perf_counter(), 0
        # RFC 9110, 9.3.2: answered as a GET, without what that would bring
        bare = scope["method"] == "HEAD"
        asked: HTTPScope = {**scope, "method": "GET"} if bare else scope

        async def protected(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
                present = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in HEADERS.items() if name not in present]
                message["headers"] = [*headers, (b"x-request-id", request_id.encode())]
            elif bare and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                if self.under_way < MOST_AT_ONCE:
                    await self._served(asked, receive, protected)
                else:
                    await _turned_away(protected, request_id)
            finally:
                self._tell(scope["method"], asked, status, time.perf_counter() - started)

    async def _served(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        self.under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.under_way -= 1

    def _tell(self, method: str, scope: HTTPScope, status: int, seconds: float) -> None:
        facts: dict[str, Any] = {
            "method": method if method in METHODS else "other",
            "route": scope.get("path_template") or NO_ROUTE,
            "status": status,
        }
        self.counted.request(**facts, seconds=seconds)
        log.info("request", **facts, duration_ms=round(seconds * 1000, 1))


async def _turned_away(send: Send, request_id: str) -> None:
    """Nothing of the request was read: the connection ends with the answer."""
    problem = {
        "type": "about:blank", "title": "Service Unavailable", "status": 503, "code": "busy",
        "detail": "Too many requests are under way: send the same once more.", "instance": f"urn:qucheng:request:{request_id}",
    }  # fmt: skip
    headers = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem), "more_body": False})


def _request_id(scope: HTTPScope) -> str:
    """The caller's, if it is one; a new one otherwise."""
    given = [value for name, value in scope["headers"] if name.lower() == b"x-request-id"]
    if len(given) == 1 and REQUEST_ID.fullmatch(given[0]):
        return given[0].decode()
    return str(ids.new_id())
