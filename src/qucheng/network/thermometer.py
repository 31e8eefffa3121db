"""How near each root is to the law's thresholds: the persons in its longest chain and the heads under it, on any day.

Both count the root itself; both are told again with the operator counted as one more. 24 heads are amber and 30 red
(the 30 heads of the 2013 opinion, art. 1, and a fifth before them).
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Literal

import msgspec

from qucheng.core import db
from qucheng.network import cap, rules, standing
from qucheng.network import reseller as resellers

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.identity.brand import Brand

Colour = Literal["none", "amber", "red"]
AMBER_HEADS, RED_HEADS = 24, rules.HEADS_LIMIT
MOST = 200
STANDING = """
    SELECT c.root, r.name, r.kind, count(*)::integer AS heads, max(c.depth)::integer AS persons,
           max(c.tier) FILTER (WHERE c.reseller = c.root) AS tier
    FROM chain c JOIN reseller r ON r.brand_id = c.brand_id AND r.code = c.root
    WHERE c.starts_on <= $1 AND $1 < c.ends_on AND ($2::text IS NULL OR c.root = $2)
    GROUP BY c.root, r.name, r.kind ORDER BY heads DESC, persons DESC, c.root LIMIT $3"""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """heads: who stands under the root on a day, with it. persons: how many the longest chain has."""

    root: str
    heads: int
    persons: int

    @property
    def colour(self) -> Colour:
        return colour(self.heads)

    @property
    def colour_with_operator(self) -> Colour:
        return colour(self.heads + 1)

    @property
    def criminal(self) -> bool:
        """Both thresholds are met, the operator counted as one more."""
        return self.heads + 1 >= RED_HEADS and self.persons + 1 >= rules.CHAIN_LIMIT


class Heat(Standing, frozen=True, kw_only=True):
    name: str
    kind: Literal["individual", "company"]
    tier: str

    @property
    def heads_with_operator(self) -> int:
        return self.heads + 1

    @property
    def persons_with_operator(self) -> int:
        return self.persons + 1


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """refusal: the code of the rule that a move would break. after: of a ring there is none."""

    refusal: str | None
    before: list[Standing]
    after: list[Standing]


def colour(heads: int) -> Colour:
    return "red" if heads >= RED_HEADS else "amber" if heads >= AMBER_HEADS else "none"


async def read(*, brand_id: uuid.UUID, on: dt.date, root: str | None = None, most: int = MOST) -> list[Heat]:
    """The hottest first."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(STANDING, on, root, most)
    return [Heat(**dict(row)) for row in rows]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    roots: int
    heads: int
    amber: int
    red: int
    most_persons: int


async def totals(*, brand_id: uuid.UUID, on: dt.date) -> Totals:
    """Amber and red: of roots, the operator counted as one more."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            f"""SELECT count(*)::integer AS roots, coalesce(sum(heads), 0)::integer AS heads, coalesce(max(persons), 0) AS most_persons,
                       count(*) FILTER (WHERE heads + 1 BETWEEN {AMBER_HEADS} AND {RED_HEADS - 1})::integer AS amber,
                       count(*) FILTER (WHERE heads + 1 >= {RED_HEADS})::integer AS red
                FROM ({STANDING}) s""",
            on,
            None,
            None,
        )
    return Totals(**dict(row))


async def known(*, brand_id: uuid.UUID, codes: list[str]) -> set[str]:
    """Those of the codes that are resellers'."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT code FROM reseller WHERE code = ANY ($1)", codes)
    return {row["code"] for row in rows}


async def what_if(*, brand: Brand, reseller: str, parent: str | None, on: dt.date) -> Moved:
    """What a move on that day would do: the rule that it would break, and the roots concerned before and after. Nothing is saved."""
    async with db.atomic(brand.id):
        history, limit = await resellers.history(), await cap.read(brand)
        rows = await db.connection().fetch(
            "SELECT reseller, parent FROM placement_span WHERE starts_on <= $1 AND $1 < ends_on", on
        )
        gone = (
            parent is not None
            and standing.at(await standing.history(brand_id=brand.id, reseller=parent), on).closes_on is not None
        )
    wanted = rules.Event(day=on, moved=True, reseller=reseller, parent=parent, row=1)
    before: dict[str, str | None] = {row["reseller"]: row["parent"] for row in rows}
    after = {**before, reseller: parent} if reseller in before else before
    concerned = {root for place in (before, after) for code in (reseller, parent) if (root := _root(place, code)) is not None}
    return Moved(
        refusal=rules.judge([wanted], history, limit).get(wanted) or ("placement.parent_closed" if gone else None),
        before=_standing(before, concerned),
        after=_standing(after, concerned | {reseller}),
    )


def _line(parents: dict[str, str | None], code: str | None) -> list[str]:
    """The reseller and those above it, the root last; of a ring nobody."""
    line: list[str] = []
    while code is not None and code in parents:
        if code in line:
            return []
        line.append(code)
        code = parents[code]
    return line


def _root(parents: dict[str, str | None], code: str | None) -> str | None:
    return line[-1] if (line := _line(parents, code)) else None


def _standing(parents: dict[str, str | None], roots: set[str]) -> list[Standing]:
    heads: collections.Counter[str] = collections.Counter()
    persons: collections.Counter[str] = collections.Counter()
    for code in parents:
        line = _line(parents, code)
        if line and line[-1] in roots:
            heads[line[-1]] += 1
            persons[line[-1]] = max(persons[line[-1]], len(line))
    return [Standing(root=root, heads=heads[root], persons=persons[root]) for root in sorted(heads)]
