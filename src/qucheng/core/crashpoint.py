"""Named places at which a test ends the process, to see that what was promised holds: nothing between two of them is done twice
or left half done. QUCHENG_CRASH_AT names one; without it they do nothing.
"""

from __future__ import annotations

import os
import signal

NAMES = (
    "run.computed",  # the draft is written, not committed
    "run.batch",  # a batch of statements is issued, not committed
    "run.batch_committed",  # and committed, with more to come
    "run.issued",  # the last batch is committed
    "document.written",  # files of a chunk are in place, not recorded
    "document.recorded",  # and recorded, with more to come
    "task.done",  # the last effect of a task is committed
)
OF_DELIVERIES = (
    "upload.judging",  # the rows and the report are written, not committed
    "upload.judged",  # and committed, with the file still there
)
OF_ACCRUALS = (
    "accrual.closed",  # the open intake of live orders is closed, the kernel has not run
    "accrual.written",  # what it earned is written, not committed
)
OF_WEBHOOKS = ("webhook.sent",)  # the receiver has it, and nothing is written down


def chosen() -> str | None:
    return os.environ.get("QUCHENG_CRASH_AT") or None


def reached(name: str) -> None:
    if chosen() == name:
        os.kill(os.getpid(), signal.SIGKILL)
