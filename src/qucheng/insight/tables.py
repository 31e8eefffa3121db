"""What the checks of a brand's books found, and what somebody thought of what was flagged.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, Integer, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class BooksCheck(Table, tablename="books_check", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    checked_at = Timestamptz(default=None, null=False)
    differences = Integer(default=None, null=False)
    findings = JSONB(default=None, null=False)


class ExceptionReview(Table, tablename="exception_review", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    kind = Text(default=None, null=False)
    subject = Text(primary_key=True, default=None)
    note = Text(default=None, null=False)
    seen_by = UUID(default=None, null=False)
    seen_at = Timestamptz(default=None, null=False)
