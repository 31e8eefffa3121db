"""A form with a file in it, read as it comes: first what was typed, then the file piece by piece. Nothing of it is kept in memory.

The fields stand before the file. So the guard reads them, and the token among them, before a byte of the file is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import multipart
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from litestar import Request

STREAMED = "streamed"
"""In the `opt` of a route whose form comes this way."""
MOST_FIELDS = 12
LONGEST_FIELD = 4096
# what the form itself takes beside its file
ROOM = 1 << 17
_KEY = "sent"


class Sent:
    """fields: those before the file. file_name: as the browser calls it, None where no file was chosen."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        kind, options = request.content_type
        if kind != RequestEncodingType.MULTI_PART or not options.get("boundary"):
            raise ClientException("not a form with a file")
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self._parser = multipart.PushMultipartParser(options["boundary"].encode(), max_segment_count=MOST_FIELDS)
        self._events = self._read(request.stream())

    async def _read(self, stream: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        try:
            with self._parser:
                while not self._parser.closed:
                    for event in self._parser.parse(await anext(stream, b"")):
                        yield event
        except multipart.MultipartError:
            raise ClientException("not a form that can be read") from None

    async def before_file(self) -> dict[str, str]:
        """Reads on to the file, and no further."""
        name, value = None, bytearray()
        async for event in self._events:
            if isinstance(event, multipart.MultipartSegment):
                if event.filename:
                    self.file_name = event.filename
                    break
                name, value = event.name, bytearray()
            elif event:
                value += event
                if len(value) > LONGEST_FIELD:
                    raise ClientException("a field is too long")
            elif name is not None:
                self.fields[name] = value.decode("utf-8", "replace")
        return self.fields

    async def pieces(self) -> AsyncIterator[bytes]:
        """The file."""
        if self.file_name is None:
            return
        async for event in self._events:
            if not event:
                return
            yield bytes(event)


async def sent(request: Request[Any, Any, Any]) -> Sent:
    """The form, its fields read; the same one however often it is asked for."""
    found: Sent | None = request.scope["state"].get(_KEY)
    if found is None:
        found = Sent(request)
        request.scope["state"][_KEY] = found
        await found.before_file()
    return found
