"""What a rule may be limited to, and what a sale may be tried with: codes and names for the pickers of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from qucheng.core import db

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

MOST = 1000


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of code and name, by code; at most MOST of each."""

    sku: list[tuple[str, str]]
    category: list[tuple[str, str]]
    channel: list[tuple[str, str]]
    tier: list[tuple[str, str]]
    reseller: list[tuple[str, str]]

    def names(self) -> dict[str, dict[str, str]]:
        """By what is chosen, then by code. A category is its own name."""
        return {name: dict(getattr(self, name)) for name in ("sku", "category", "channel", "tier", "reseller")}


QUERIES = {
    "sku": 'SELECT code, name FROM sku ORDER BY code COLLATE "C"',
    "category": "SELECT DISTINCT category AS code, category AS name FROM sku ORDER BY 1",
    "channel": 'SELECT code, name FROM channel ORDER BY code COLLATE "C"',
    "tier": 'SELECT code, name FROM tier ORDER BY rank, code COLLATE "C"',
    "reseller": 'SELECT code, name FROM reseller ORDER BY code COLLATE "C"',
}


async def choices(*, brand: Brand) -> Choices:
    async with db.atomic(brand.id):
        found = {name: await db.connection().fetch(f"{query} LIMIT {MOST}") for name, query in QUERIES.items()}
    return Choices(**{name: [(row["code"], row["name"]) for row in rows] for name, rows in found.items()})
