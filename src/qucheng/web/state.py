"""For machines that look after this process: whether it lives, whether it can work, and its figures."""

from __future__ import annotations

import secrets
from typing import Any

import prometheus_client.exposition
from litestar import Request, Response, di, get
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException

from qucheng.core import health
from qucheng.web import guards, metrics

READY, NOT_READY = 200, 503


@get("/healthz", opt=guards.MACHINE, media_type=MediaType.TEXT, sync_to_thread=False)
def alive() -> str:
    """The process alone: a server that is down is no reason to start this one again."""
    return "ok"


@get("/readyz", opt=guards.MACHINE)
async def ready(watch: di.NamedDependency[health.Watch]) -> Response[dict[str, Any]]:
    checks = await watch.checks()
    good = all(found == health.OK for found in checks.values())
    return Response({"ready": good, "checks": checks}, status_code=READY if good else NOT_READY)


@get("/metrics", opt=guards.MACHINE)
async def figures(
    request: Request[Any, Any, Any],
    watch: di.NamedDependency[health.Watch],
    counted: di.NamedDependency[metrics.Metrics],
    token: di.NamedDependency[str],
) -> Response[bytes]:
    """Only for who sends the token; for others there is nothing here."""
    given = request.headers.get("authorization", "")
    if not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise NotFoundException
    return Response(counted.text(await watch.figures()), media_type=prometheus_client.exposition.CONTENT_TYPE_PLAIN_0_0_4)
