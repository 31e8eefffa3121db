"""What became of the rows of each imported file.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, Integer, Text
from piccolo.table import Table

from qucheng.core import db


class IntakeFile(Table, tablename="intake_file", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    intake = Integer(default=None, null=False)
    file = Text(primary_key=True, default=None)
    rows = Integer(default=None, null=False)
    imported = Integer(default=None, null=False)
    duplicate = Integer(default=None, null=False)
    rejected = Integer(default=None, null=False)


class Rejection(Table, tablename="rejection", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    intake = Integer(default=None, null=False)
    file = Text(default=None, null=False)
    source_row = Integer(primary_key=True, default=None)
    code = Text(default=None, null=False)
    message = Text(default=None, null=False)
