"""The ends of the audit chains, kept outside the database: what was cut off there, or chained anew, shows against them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from qucheng.core import audit

if TYPE_CHECKING:
    from pathlib import Path

FILE = "heads.jsonl"


def keep(folder: Path, heads: list[audit.Head]) -> int:
    """Adds those that are new to the file; returns how many. Copy the file to where nobody who works here can write."""
    known = {(head.brand_id, head.number) for head in kept(folder)}
    fresh = [head for head in heads if (head.brand_id, head.number) not in known]
    if fresh:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as out:
            out.write(b"".join(msgspec.json.encode(head) + b"\n" for head in fresh))
            out.flush()
            os.fsync(out.fileno())
    return len(fresh)


def kept(folder: Path) -> list[audit.Head]:
    """A last line that was cut off by a crash is left out."""
    file = folder / FILE
    if not file.exists():
        return []
    whole, _, _ = file.read_bytes().rpartition(b"\n")
    return [msgspec.json.decode(line, type=audit.Head) for line in whole.splitlines()]
