"""The rules of resellers.csv and placements.csv that need other rows: the network by date, on top of what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.core import db
from qucheng.network import cap, reseller, rules

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand

FILES = {False: "resellers", True: "placements"}
COLUMNS = {
    "network.depth_exceeded": "parent",
    "network.heads_exceeded": "parent",
    "network.parent_joined_later": "parent",
    "network.cycle": "parent",
}
READ = """
    SELECT joined_on AS day, false AS moved, code AS reseller, parent, row FROM checked_resellers WHERE fault IS NULL
    UNION ALL SELECT effective_on, true, reseller, parent, row FROM checked_placements WHERE fault IS NULL"""
# A placement refers to resellers of earlier imports and of this one; those refused by date are for the judge.
UNKNOWN = """
    UPDATE checked_placements c SET fault = CASE WHEN {reseller} THEN 'ref.unknown:reseller' ELSE 'ref.unknown:parent' END
    WHERE fault IS NULL AND ({reseller} OR (c.parent IS NOT NULL AND {parent}))"""
ABSENT = """
    NOT EXISTS (SELECT 1 FROM reseller r WHERE r.brand_id = current_brand() AND r.code = c.{0})
    AND NOT EXISTS (SELECT 1 FROM checked_resellers n WHERE n.fault IS NULL AND n.code = c.{0})"""

ORPHANS = f"""
    WITH orphans AS (
        UPDATE checked_resellers c SET fault = 'ref.unknown:parent' WHERE fault IS NULL AND parent IS NOT NULL AND {ABSENT.format("parent")}
        RETURNING 1)
    SELECT count(*) FROM orphans"""


async def check_parents() -> None:
    """Step 3 for resellers.csv: a parent that no accepted row has, whose own parent is such a one, and so on.

    Rings stay: they are for the judge.
    """
    while await db.connection().fetchval(ORPHANS):
        pass


async def check_placements() -> None:
    """Step 3 for placements.csv."""
    await db.connection().execute(UNKNOWN.format(reseller=ABSENT.format("reseller"), parent=ABSENT.format("parent")))


async def judge(brand: Brand) -> None:
    """Marks the joins and placements that the network by date refuses."""
    connection = db.connection()
    new = [rules.Event(**dict(row)) for row in await connection.fetch(READ)]
    faults = rules.judge(new, await reseller.history(), await cap.read(brand))
    for moved, name in FILES.items():
        refused = [
            (event.row, f"{code}:{COLUMNS.get(code, 'reseller' if moved else 'parent')}")
            for event, code in faults.items()
            if event.moved is moved
        ]
        await connection.executemany(f"UPDATE checked_{name} SET fault = $2 WHERE row = $1", refused)
