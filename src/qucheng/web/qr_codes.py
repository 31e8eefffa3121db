"""QR codes: in a page, and as files to print."""

from __future__ import annotations

import io
from typing import Literal

import markupsafe
import segno

Kind = Literal["svg", "png"]
TYPES: dict[Kind, str] = {"svg": "image/svg+xml", "png": "image/png"}
# the quiet zone that scanners need; large enough for a poster
BORDER, PNG_SCALE = 4, 16


def drawn(text: str, label: str) -> markupsafe.Markup:
    """Without size, style or class: the page's style sheet has them."""
    out = io.BytesIO()
    _made(text).save(out, kind="svg", xmldecl=False, omitsize=True, border=0, svgclass=None, lineclass=None)
    head = f'<svg role="img" aria-label="{markupsafe.escape(label)}" focusable="false"'
    return markupsafe.Markup(out.getvalue().decode().strip().replace("<svg", head, 1))  # noqa: S704 - drawn here


def file(text: str, kind: Kind) -> bytes:
    out = io.BytesIO()
    _made(text).save(out, kind=kind, border=BORDER, scale=PNG_SCALE)
    return out.getvalue()


def _made(text: str) -> segno.QRCode:
    return segno.make(text, error="m", micro=False)
