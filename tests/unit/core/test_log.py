"""What a line of the log has, and that no value of an error, a library or a warning is in it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from typing import Any

import pytest

CANARY = "kanarie7431"
START = "import asyncio, logging, threading, warnings\nimport asyncpg, structlog\nfrom qucheng.core import log\n"


def lines(program: str) -> list[dict[str, Any]]:
    """What a process logs that runs the program; it configures the log itself, as whoever serves does."""
    ran = subprocess.run(
        [sys.executable, "-c", START + program],
        env={**os.environ, "CANARY": CANARY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout == ""
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_a_line_has_the_time_in_milliseconds_the_level_the_logger_and_the_event() -> None:
    (line,) = lines("log.configure(); logging.getLogger('qucheng.x').info('served %s of %d', 'rows', 3)")
    stamp = dt.datetime.fromisoformat(line.pop("time"))
    assert stamp.utcoffset() == dt.timedelta(0)
    assert stamp.microsecond % 1000 == 0
    assert line == {"level": "info", "logger": "qucheng.x", "event": "served rows of 3"}


def test_what_is_bound_stands_on_every_line_of_both_ways_of_logging() -> None:
    found = lines(
        "log.configure()\nwith structlog.contextvars.bound_contextvars(request_id='r1'):\n"
        "    structlog.get_logger('qucheng.a').info('one', status=200)\n    logging.getLogger('qucheng.b').warning('two')\n"
        "logging.getLogger('qucheng.b').warning('three')"
    )
    assert [(line["event"], line.get("request_id"), line.get("status")) for line in found] == [
        ("one", "r1", 200),
        ("two", "r1", None),
        ("three", None, None),
    ]


@pytest.mark.parametrize("separator", ["\n", "\r", "\u2028", "\x85", "\x1b[2J"])
def test_a_value_does_not_end_the_line(separator: str) -> None:
    ran = lines(f"log.configure(); structlog.get_logger('qucheng.a').info('one', subject={f'a{separator}b'!r})")
    assert [line["subject"] for line in ran] == [f"a{separator}b"]


LEAKS = {
    "an error that is logged": "try:\n    raise ValueError(canary)\nexcept ValueError:\n    logging.getLogger('qucheng.x').exception('it failed')",
    "an error that it came from": "try:\n    try:\n        raise KeyError(canary)\n    except KeyError as cause:\n        raise OSError(28, canary) from cause\nexcept OSError:\n    structlog.get_logger('qucheng.x').exception('it failed')",
    "a group of errors": "try:\n    raise ExceptionGroup(canary, [ValueError(canary)])\nexcept ExceptionGroup:\n    logging.getLogger('qucheng.x').exception('it failed')",
    "an uncaught error": "raise ValueError(canary)",
    "an error in a thread": "def fail():\n    raise ValueError(canary)\nthread = threading.Thread(target=fail)\nthread.start()\nthread.join()",
    "an error in a finaliser": "class Left:\n    def __del__(self):\n        raise ValueError(canary)\nLeft()",
    "a task that nobody awaited": "async def fail():\n    raise ValueError(canary)\nasync def main():\n    asyncio.create_task(fail())\n    await asyncio.sleep(0)\nasyncio.run(main())",
    "a callback that failed": "def fail(word):\n    raise ValueError(word)\nasync def main():\n    asyncio.get_running_loop().call_soon(fail, canary)\n    await asyncio.sleep(0.01)\nasyncio.run(main())",
    "arguments of a job": "logging.getLogger('arq.worker').warning('%6.2fs ! %s failed, %s', 1.0, canary, canary)",
    "a library's own text": "logging.getLogger('weasyprint').error(f'{canary} is not a colour')",
    "a traceback as text": "logging.getLogger('uvicorn.error').error(f'Traceback (most recent call last):\\n  {canary}')",
    "a warning": "warnings.warn(canary)",
}


@pytest.mark.parametrize("way", LEAKS)
def test_no_value_gets_into_the_log(way: str) -> None:
    found = lines(f"import os\ncanary = os.environ['CANARY']\nlog.configure()\n{LEAKS[way]}")
    assert len(found) == 1, found
    assert CANARY not in json.dumps(found)


@pytest.mark.parametrize("way", LEAKS)
def test_without_the_configuration_it_would(way: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", f"{START}import os\ncanary = os.environ['CANARY']\n{LEAKS[way]}"],
        env={**os.environ, "CANARY": CANARY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert CANARY in ran.stdout + ran.stderr


def test_an_error_is_told_by_its_kinds_codes_and_frames() -> None:
    (line,) = lines(
        "log.configure()\nfrom qucheng.core import db\n"
        "try:\n    try:\n        db.connection()\n    except RuntimeError as cause:\n        raise OSError(28, 'x') from cause\n"
        "except OSError:\n    logging.getLogger('qucheng.x').exception('it failed')"
    )
    error, cause = line["error"]
    assert (error["type"], error["errno"], error["frames"]) == ("OSError", "ENOSPC", ["<string>:10:<module>"])
    assert cause["type"] == "RuntimeError"
    assert [frame.split(":")[0] for frame in cause["frames"]] == ["<string>", "qucheng/core/db.py"]
