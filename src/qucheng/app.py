"""The web's wiring: which doors there are, and what stands around them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import litestar
from litestar import di
from litestar.datastructures import State

from qucheng.core import health, ids
from qucheng.web import (
    access,
    account,
    assets,
    console,
    consumer,
    finance,
    guards,
    metrics,
    open_api,
    portal,
    problems,
    public,
    state,
    till,
)
from qucheng.web import site as sites

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qucheng.core.settings import Settings


# a form of ours; a route that takes a file says how large
LARGEST_BODY = 65_536


def create_app(settings: Settings) -> litestar.Litestar:
    """The app on the engine as it stands: who serves has connected it (web/server.py). Raises guards.UnnamedRouteError."""
    site = sites.Site(settings)
    watch, counted, token = health.Watch(settings, ids.new_id()), metrics.Metrics(), health.metrics_token(settings)
    app = litestar.Litestar(
        route_handlers=[
            *(state.alive, state.ready, state.figures, assets.serve),
            *account.ROUTES,
            *finance.ROUTES,
            *console.ROUTES,
            *portal.ROUTES,
            *public.ROUTES,
            *consumer.ROUTES,
            *till.ROUTES,
            *open_api.ROUTES,
        ],
        dependencies={
            "watch": di.Provide(lambda: watch, sync_to_thread=False),
            "counted": di.Provide(lambda: counted, sync_to_thread=False),
            "token": di.Provide(lambda: token, sync_to_thread=False),
        },
        guards=[guards.permitted],
        exception_handlers=problems.HANDLERS,
        lifespan=[lambda _app: watch.kept(), lambda _app: _closing(site)],
        state=State({"site": site}),
        request_max_body_size=LARGEST_BODY,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    guards.require_named(app)
    # around the routing too: a path without a route is answered, protected, logged and counted as any other
    app.asgi_handler = access.Access(app.asgi_handler, counted)
    return app


@contextlib.asynccontextmanager
async def _closing(site: sites.Site) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await site.close()
