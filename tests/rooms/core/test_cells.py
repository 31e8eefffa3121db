"""What a person typed is no formula in any table that is handed out, whether the row was written here or by the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qucheng.core import cells, db

if TYPE_CHECKING:
    from tests import books

pytestmark = pytest.mark.anyio

FORMULAS = [
    "=1+1",
    "+A1",
    "-A1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1+1",
    "\uff0bA1",
    "\uff0dA1",
    "\uff20SUM(A1)",
    "-1-1",
]
TEXTS = ["", "-12.50", "-7", "12.5", "a=1", "'=1", " =1", "岚汐 = 汐岚", "1-1"]


async def test_a_formula_is_written_as_a_text_here_and_there(workspace: books.Workspace) -> None:
    assert workspace
    async with db.atomic():
        there = await db.connection().fetch(
            f"SELECT t, {cells.sql_inert('t')} AS said FROM unnest($1::text[]) AS u (t)", [*FORMULAS, *TEXTS]
        )
    assert {row["t"]: row["said"] for row in there} == {
        **{text: f"'{text}" for text in FORMULAS},
        **{text: text for text in TEXTS},
    }
    assert [cells.inert(text) for text in [*FORMULAS, *TEXTS]] == [row["said"] for row in there]
