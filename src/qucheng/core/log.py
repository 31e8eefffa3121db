"""Logs of the processes that serve and work: one JSON object a line on stderr, without values.

What a library or an exception says may quote a row, a request or a secret: of an error stand its kind and where it was raised,
of another library's line its template without the arguments. Only our own lines are written out.
"""

from __future__ import annotations

import datetime as dt
import errno
import json
import logging
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import asyncpg
import structlog

from qucheng.core import errors

if TYPE_CHECKING:
    import types
    from collections.abc import MutableMapping

    Event = MutableMapping[str, Any]

OURS = "qucheng"
# their lines without arguments begin with words of their own; of others even that is not known
KNOWN = ("arq", "asyncio", "litestar", "uvicorn")
LEADING_WORDS = re.compile(r"[A-Z][A-Za-z ,.'-]{0,79}")
WARNING = re.compile(r"(?P<file>.*?):(?P<line>[0-9]+): (?P<kind>\w+): ")
LEFT_OUT = "(text left out)"
DEEPEST = 40
LONGEST_CHAIN = 5


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Sends everything that this process logs, ours and the libraries', to the stream; stderr where none is given."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        _Lines(processors=[_fields, _line], foreign_pre_chain=[_without_values], use_get_message=False, pass_foreign_args=True)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "arq", "asyncio"):
        library = logging.getLogger(name)
        library.handlers[:], library.propagate = [], True
        library.setLevel(logging.WARNING)
    # the access line is ours (web/access.py): theirs has the path
    logging.getLogger("uvicorn.access").propagate = False
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a line that cannot be written is not written in another form instead
    _catch_the_uncaught()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _Lines(structlog.stdlib.ProcessorFormatter):
    """Our own lines, of which there is one for each request, go the short way: nobody else formats their records."""

    def format(self, record: logging.LogRecord) -> str:
        if hasattr(record, "_name") and isinstance(record.msg, dict):
            return _line(None, record._name, _fields(None, record._name, {**record.msg, "_record": record}))  # noqa: SLF001 - structlog's
        return super().format(record)


def described(error: BaseException) -> list[dict[str, Any]]:
    """The error and what it came from: kinds, codes and frames, never the messages."""
    chain: list[dict[str, Any]] = []
    found: BaseException | None = error
    while found is not None and len(chain) < LONGEST_CHAIN:
        chain.append({"type": _kind(found), **_codes(found), "frames": _frames(found.__traceback__)})
        if isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        else:
            found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return chain


def _kind(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _codes(error: BaseException) -> dict[str, Any]:
    codes: dict[str, Any] = {}
    if isinstance(error, errors.RefusedError):
        codes["code"] = error.code
    if isinstance(error, asyncpg.PostgresError):
        codes["sqlstate"] = error.sqlstate
        if error.constraint_name:
            codes["constraint"] = error.constraint_name
    if isinstance(error, OSError) and error.errno is not None:
        codes["errno"] = errno.errorcode.get(error.errno, error.errno)
    return codes


def _frames(traceback: types.TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{_file(code.co_filename)}:{traceback.tb_lineno}:{code.co_name}")
        traceback = traceback.tb_next
    return frames[-DEEPEST:]


def _file(path: str) -> str:
    """The file by its package: where that stands on this machine does not matter."""
    parts = Path(path).parts
    for folder in ("site-packages", "src"):
        if folder in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(folder) :])
    return "/".join(parts[-2:])


def _without_values(_logger: object, _method: str, event: Event) -> Event:
    """A line of the standard library's logging. Ours are written out; of others what cannot hold a value."""
    record: logging.LogRecord = event["_record"]
    arguments = event.pop("positional_args")
    template = record.msg if isinstance(record.msg, str) else ""
    package = record.name.split(".")[0]
    if package == OURS:
        event["event"] = template % arguments if arguments else template
        return event
    event["at"] = f"{_file(record.pathname)}:{record.lineno}:{record.funcName}"
    warning = WARNING.match(str(arguments[0]) if arguments else template) if record.name == "py.warnings" else None
    if warning is not None:
        event.update(event=warning["kind"], at=f"{_file(warning['file'])}:{warning['line']}")
    elif arguments:
        event["event"] = template
    else:
        words = LEADING_WORDS.match(template) if package in KNOWN else None
        event["event"] = words[0].strip() if words else LEFT_OUT
    return event


def _fields(_logger: object, _method: str, event: Event) -> Event:
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog", None)
    line: Event = {
        "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event.pop("event"),
        **structlog.contextvars.get_contextvars(),
    }
    caught = event.pop("exc_info", None)
    event.pop("stack_info", None)
    line.update(event)
    if caught is True:
        caught = sys.exc_info()
    error = caught[1] if isinstance(caught, tuple) else caught
    if isinstance(error, BaseException):
        line["error"] = described(error)
    return line


def _line(_logger: object, _method: str, event: Event) -> str:
    """ASCII only: neither a line break nor a control character of a value can end the line."""
    return json.dumps(event, ensure_ascii=True, default=lambda value: type(value).__name__)


def _catch_the_uncaught() -> None:
    log = logging.getLogger(f"{OURS}.uncaught")

    def in_main(_kind: type[BaseException], error: BaseException, _traceback: types.TracebackType | None) -> None:
        log.critical("the process ends by an error", exc_info=error)

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        log.error("a thread ended by an error", exc_info=arguments.exc_value)

    def unraisable(arguments: sys.UnraisableHookArgs) -> None:
        log.error("an error that nobody could be given", exc_info=arguments.exc_value)

    sys.excepthook = in_main
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
