"""Accounts, journal entries and their legs.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, SmallInt, Text
from piccolo.table import Table

from qucheng.core import db


class Account(Table, tablename="account", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)


class JournalEntry(Table, tablename="journal_entry", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    code = Text(primary_key=True, default=None)
    period = Date(default=None, null=False)
    document = Text(default=None, null=False)
    position = SmallInt(default=None, null=False)


class Posting(Table, tablename="posting", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    entry = Text(default=None, null=False)
    leg = SmallInt(primary_key=True, default=None)
    account = Text(default=None, null=False)
    debit_minor = BigInt(default=None, null=False)
    credit_minor = BigInt(default=None, null=False)
