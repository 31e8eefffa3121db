"""The one door through which the tests of this folder reach the product."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from qucheng import cli

COMMAND = os.environ.get("QUCHENG_COMMAND") or str(Path(sys.executable).with_name("qucheng"))
ROW_OF_SUMMARY = re.compile(r"^\W*([a-z]+\.csv)\D+(\d+)\D+(\d+)\D+(\d+)\D+(\d+)\D*$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    status: int
    stdout: str
    stderr: str

    @property
    def counts(self) -> dict[str, tuple[int, int, int, int]]:
        """By file: rows read, imported, duplicate, rejected, as the summary tells them."""
        return {
            file: (int(read), int(imported), int(duplicate), int(rejected))
            for file, read, imported, duplicate, rejected in ROW_OF_SUMMARY.findall(self.stdout)
        }


def run(*arguments: str | Path) -> Run:
    """Any command line of the product, in this process."""
    # a process of the product's own sets up its log in cli.main()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = cli.run([str(argument) for argument in arguments])
    return Run(status, stdout.getvalue(), stderr.getvalue())


def settle(folder: Path, through: str, out: Path) -> Run:
    return run("settle", folder, "--through", through, "--out", out, "--no-pdf")


def peak_memory(folder: Path, through: str, out: Path, *, limit: float) -> tuple[int, int]:
    """Exit status of a settlement, and the most memory in bytes that its process held at any time."""
    arguments = [COMMAND, "settle", str(folder), "--through", through, "--out", str(out), "--no-pdf"]
    peak, ends = 0, time.monotonic() + limit
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if time.monotonic() > ends:
                process.kill()
                raise TimeoutError(f"not settled in {limit} s")
            peak = max(peak, high_water_mark(process.pid))
            time.sleep(0.2)
    return process.returncode, peak


def high_water_mark(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
