"""What became of the rows of each imported file, and of each delivery that a person sent.

The migration makes the real keys, all within the brand; Piccolo knows only their last column.
"""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Integer, Text, Timestamptz
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


class Upload(Table, tablename="upload", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    file_name = Text(default=None, null=False)
    bytes = BigInt(default=None, null=False)
    sha256 = Text(default=None, null=False)
    uploaded_by = UUID(default=None, null=False)
    uploaded_at = Timestamptz(default=None, null=False)
    state = Text(default=None, null=False)
    task = UUID(default=None, null=False)
    intake = Integer(default=None, null=True)
    judged_at = Timestamptz(default=None, null=True)
    ended_at = Timestamptz(default=None, null=True)
    code = Text(default=None, null=True)
    reason = Text(default=None, null=True)


class UploadFile(Table, tablename="upload_file", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    upload = UUID(default=None, null=False)
    file = Text(primary_key=True, default=None)
    rows = Integer(default=None, null=False)
    imported = Integer(default=None, null=False)
    duplicate = Integer(default=None, null=False)
    rejected = Integer(default=None, null=False)


class UploadRejection(Table, tablename="upload_rejection", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    upload = UUID(default=None, null=False)
    file = Text(default=None, null=False)
    source_row = Integer(primary_key=True, default=None)
    fault = Text(default=None, null=False)
