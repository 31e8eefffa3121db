"""What this process logs for the time of a block, as serve configures it."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import structlog

from qucheng.core import log

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "arq", "asyncio", log.OURS)


@contextlib.contextmanager
def configured(level: int = logging.INFO) -> Iterator[io.StringIO]:
    """Afterwards logging, and what is done with errors that nobody is given, are as they were.

    What earlier tests left unclosed is logged when the collector comes upon it: it does so before the block, and not during it.
    """
    root, stream = logging.getLogger(), io.StringIO()
    handlers, standing, collects = root.handlers[:], root.level, gc.isenabled()
    before = [(each, each.handlers[:], each.level, each.propagate) for each in map(logging.getLogger, NAMES)]
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, logging.raiseExceptions
    log.configure(stream, level=level)
    gc.collect()
    gc.disable()
    stream.seek(0)
    stream.truncate()
    try:
        yield stream
    finally:
        if collects:
            gc.enable()
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        sys.excepthook, threading.excepthook, sys.unraisablehook, logging.raiseExceptions = hooks
        root.handlers[:] = handlers
        root.setLevel(standing)
        for each, its, was, passes in before:
            each.handlers[:], each.propagate = its, passes
            each.setLevel(was)


def lines(logged: io.StringIO, count: int | None = None) -> list[dict[str, Any]]:
    """The whole log. count: how many lines there must be."""
    whole = logged.getvalue()
    assert count in (None, whole.count("\n")), f"{count} lines were to be in the log:\n{whole}"
    return [json.loads(line) for line in whole.splitlines()]
