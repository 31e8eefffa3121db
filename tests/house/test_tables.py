"""The tables that Piccolo is told of are those that the migrations made, column for column."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest
from piccolo.table import Table

from qucheng import piccolo_app

if TYPE_CHECKING:
    import asyncpg

pytestmark = pytest.mark.anyio

# a default of the database alone, which nobody sets
UNDECLARED = {("journal_entry", "opened_by"), ("statement", "opened_by")}
TYPES = {
    "uuid": "UUID", "text": "TEXT", "integer": "INTEGER", "smallint": "SMALLINT", "bigint": "BIGINT", "date": "DATE",
    "timestamp with time zone": "TIMESTAMPTZ", "boolean": "BOOLEAN", "numeric": "NUMERIC", "jsonb": "JSONB", "bytea": "BYTEA",
}  # fmt: skip


def declared() -> dict[tuple[str, str], tuple[str, bool]]:
    columns = {}
    for room in piccolo_app.ROOMS_WITH_TABLES:
        module = importlib.import_module(f"qucheng.{room}.tables")
        for table in vars(module).values():
            if isinstance(table, type) and issubclass(table, Table) and table is not Table:
                for column in table._meta.columns:
                    key = (table._meta.tablename, column._meta.name)
                    columns[key] = (column.column_type, column._meta.null and not column._meta.primary_key)
    return columns


async def test_every_column_is_declared_as_it_is(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch("""
        SELECT c.relname, a.attname, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS nullable
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'migration' AND a.attnum > 0 AND NOT a.attisdropped""")
    made = {(row["relname"], row["attname"]): (TYPES.get(row["type"], row["type"]), row["nullable"]) for row in rows}
    assert declared() == {key: meaning for key, meaning in made.items() if key not in UNDECLARED}
    assert set(made) >= UNDECLARED
