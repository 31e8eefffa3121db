"""The web's wiring: which doors there are, and what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import litestar
from litestar import di

from qucheng.core import health, ids
from qucheng.web import access, metrics, problems, state

if TYPE_CHECKING:
    from qucheng.core.settings import Settings


def create_app(settings: Settings) -> litestar.Litestar:
    """The app on the engine as it stands: who serves has connected it (web/server.py)."""
    watch, counted, token = health.Watch(settings, ids.new_id()), metrics.Metrics(), health.metrics_token(settings)
    app = litestar.Litestar(
        route_handlers=[state.alive, state.ready, state.figures],
        dependencies={
            "watch": di.Provide(lambda: watch, sync_to_thread=False),
            "counted": di.Provide(lambda: counted, sync_to_thread=False),
            "token": di.Provide(lambda: token, sync_to_thread=False),
        },
        exception_handlers=problems.HANDLERS,
        lifespan=[lambda _app: watch.kept()],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    # around the routing too: a path without a route is answered, protected, logged and counted as any other
    app.asgi_handler = access.Access(app.asgi_handler, counted)
    return app
