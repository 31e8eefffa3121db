"""What an address of the price matrix asks for: a version, a day, filters, columns and a page; and how such an address is made."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from typing import Any, Literal
from urllib import parse

import msgspec
from litestar import Request

from qucheng.catalog import price_records
from qucheng.core import clock
from qucheng.identity.brand import Brand
from qucheng.web.finance import books, desk

MATRIX, CELL = "/prices", "/prices/cell"
LIVE = "live"
USUAL_ROWS, ROWS = 50, ("25", "50", "100", "500")
Show = Literal["", "changed", "floor", "scheduled"]
SHOWS: tuple[Show, ...] = ("changed", "floor", "scheduled")
LONGEST_CODE = 60


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """version: blank for the draft where there is one, `live`, or a number. tiers: `all` shows a column for each."""

    version: str = ""
    day: dt.date | None = None
    text: str = ""
    category: str = ""
    tag: str = ""
    show: Show = ""
    tiers: str = ""
    rows: int = USUAL_ROWS
    page: int = 1

    def kept(self) -> dict[str, str]:
        """For an address, without what is usual."""
        return {
            "version": self.version,
            "day": self.day.isoformat() if self.day else "",
            "text": self.text,
            "category": self.category,
            "tag": self.tag,
            "show": self.show,
            "tiers": self.tiers,
            "rows": "" if self.rows == USUAL_ROWS else str(self.rows),
            "page": "" if self.page == 1 else str(self.page),
        }

    def address(self, path: str = MATRIX, **more: str) -> str:
        """The page with these filters, and others for what is named."""
        return books.address(path, self.kept(), **more)

    def chosen(self, skus: tuple[str, ...] | None = None) -> price_records.Filter:
        """skus: these and no others, whatever else is asked for."""
        if skus is not None:
            return price_records.Filter(skus=skus)
        return price_records.Filter(
            text=self.text or None,
            category=self.category or None,
            tag=self.tag or None,
            changed=self.show == "changed",
            under_floor=self.show == "floor",
            scheduled=self.show == "scheduled",
        )


class Key(msgspec.Struct, frozen=True):
    """A cell. channel: blank for the base; tier: blank for any."""

    sku: str
    channel: str
    tier: str

    def pair(self) -> price_records.Key:
        return price_records.Key(self.sku, self.channel or None, self.tier or None)


def asked(given: Mapping[str, str]) -> Asked:
    """What is no value of a field is passed over."""
    version, rows, page = (given.get(name) or "" for name in ("version", "rows", "page"))
    return Asked(
        version=version if version == LIVE or desk.NUMBER.fullmatch(version) else "",
        day=books.day(given.get("day")),
        text=desk.text(given.get("text")),
        category=desk.text(given.get("category")),
        tag=desk.text(given.get("tag")),
        show=next((show for show in SHOWS if show == given.get("show")), ""),
        tiers="all" if given.get("tiers") == "all" else "",
        rows=int(rows) if rows in ROWS else USUAL_ROWS,
        page=int(page) if desk.NUMBER.fullmatch(page) else 1,
    )


def of_view(view: str) -> Asked:
    """As a form carries it."""
    return asked(dict(parse.parse_qsl(view[: books.LONGEST_TEXT * 8])))


def view(wanted: Asked) -> str:
    return parse.urlencode({name: value for name, value in wanted.kept().items() if value})


def of_request(request: Request[Any, Any, Any]) -> Asked:
    return asked(request.query_params)


def key(given: Mapping[str, str]) -> Key:
    return Key(*((given.get(name) or "").strip()[:LONGEST_CODE] for name in ("sku", "channel", "tier")))


def today(brand: Brand) -> dt.date:
    """Where the brand is."""
    return clock.now().astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()


def is_part(request: Request[Any, Any, Any]) -> bool:
    """Whether the page is open already and asks for a part of it."""
    return request.headers.get("hx-request") is not None
