"""The product's command with some of its constants set otherwise: `python -m tests.faults.start PLACE.NAME=VALUE … -- ARGUMENTS`.

A value is a Python literal, or @module.name. This is how a fault is arranged in a real process, and how a control switches a
protection off.
"""

from __future__ import annotations

import ast
import pkgutil
import sys


def arrange(change: str) -> None:
    place, _, value = change.partition("=")
    holder, _, name = place.rpartition(".")
    owner = pkgutil.resolve_name(holder)
    if not hasattr(owner, name):
        raise SystemExit(f"{place} is not there to be changed")
    setattr(owner, name, pkgutil.resolve_name(value[1:]) if value.startswith("@") else ast.literal_eval(value))


if __name__ == "__main__":
    # here and not above: every process that renders for the worker reads this file again, and has no use for the command line
    from qucheng import cli
    from qucheng.core import supervisor

    supervisor.tie()  # when the test is killed it leaves no worker behind
    split = sys.argv.index("--")
    for each in sys.argv[1:split]:
        arrange(each)
    sys.exit(cli.run(sys.argv[split + 1 :]))
