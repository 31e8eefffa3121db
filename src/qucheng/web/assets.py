"""What the pages load: served by the app itself, under an address that changes with any byte of it, and kept for ever."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

import markupsafe
import msgspec
from litestar import Response, get, params
from litestar.exceptions import NotFoundException

from qucheng.web import guards

FOLDER = Path(__file__).with_name("static")
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
FOR_EVER = "public, max-age=31536000, immutable"
DIGITS = 16


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    content: bytes
    kind: str


@functools.cache
def every() -> dict[str, Asset]:
    """By path. Read once: a few hundred kilobytes. The icons stand in the pages themselves and are not served."""
    return {
        file.relative_to(FOLDER).as_posix(): Asset(content=file.read_bytes(), kind=KINDS[file.suffix])
        for file in sorted(FOLDER.rglob("*"))
        if file.suffix in KINDS and file.parent.name != "icons"
    }


@functools.cache
def digest() -> str:
    """One for all of them: style sheets name the fonts beside them."""
    together = hashlib.sha256()
    for path, asset in every().items():
        together.update(path.encode() + b"\0" + hashlib.sha256(asset.content).digest())
    return together.hexdigest()[:DIGITS]


def address(path: str) -> str:
    """Raises KeyError for what there is not."""
    assert every()[path]  # noqa: S101 - a template's mistake, seen when its page is first rendered
    return f"/static/{digest()}/{path}"


@functools.cache
def _icons() -> dict[str, str]:
    found = {}
    for file in FOLDER.joinpath("icons").glob("*.svg"):
        body = re.search(r"<svg[^>]*>(.*)</svg>", file.read_text(encoding="utf-8"), re.DOTALL)
        if body:
            found[file.stem] = re.sub(r"\s+", " ", body[1]).strip()
    return found


def icon(name: str, kind: str = "") -> markupsafe.Markup:
    """The drawing itself, in the page. kind: a class of its size."""
    return markupsafe.Markup(
        '<svg class="icon{}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"'
        ' aria-hidden="true" focusable="false">{}</svg>'
    ).format(f" {kind}" if kind else "", markupsafe.Markup(_icons()[name]))  # noqa: S704 - a file of ours


@get("/static/{version:str}/{path:path}", opt=guards.MACHINE, sync_to_thread=False)
def serve(version: params.FromPath[str], path: params.FromPath[str]) -> Response[bytes]:
    """Under any other version there is nothing: what is kept for ever must be what was asked for."""
    asset = every().get(path.removeprefix("/"))
    if asset is None or version != digest():
        raise NotFoundException
    return Response(asset.content, media_type=asset.kind, headers={"cache-control": FOR_EVER})
