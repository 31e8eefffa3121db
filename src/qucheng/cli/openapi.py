"""qucheng openapi: the description of the interface for machines."""

from __future__ import annotations

import sys
from pathlib import Path

from qucheng.web.open_api import document, reference


def describe(*, out: Path | None = None) -> None:
    """Write the OpenAPI document, as /api/v1/openapi.json serves it.

    Parameters
    ----------
    out
        The file; without it, the standard output.

    """
    whole = document.encoded(reference.OPERATIONS)
    if out is None:
        sys.stdout.write(whole.decode())
    else:
        out.write_bytes(whole)
