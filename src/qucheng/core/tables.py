"""Tasks, schedules, processes and letters: the platform's own, without a brand's row-level security. And the trail and the replies to machines, which have it.

The former hold ids, codes, counts and ciphertext only.
"""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Bytea, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Task(Table, tablename="task", db=db.ENGINE, tags=["raw"]):
    id = UUID(primary_key=True, default=None)
    queue = Text(default=None, null=False)
    kind = Text(default=None, null=False)
    brand = UUID(default=None, null=True)
    subject = JSONB(default=None, null=False)
    key = Text(default=None, null=True)
    state = Text(default=None, null=False)
    attempt = Integer(default=None, null=False)
    attempts_left = Integer(default=None, null=False)
    created_at = Timestamptz(default=None, null=False)
    available_at = Timestamptz(default=None, null=False)
    rung_at = Timestamptz(default=None, null=True)
    lease_until = Timestamptz(default=None, null=True)
    worker = UUID(default=None, null=True)
    units_done = BigInt(default=None, null=False)
    units = BigInt(default=None, null=True)
    reason = Text(default=None, null=True)
    ended_at = Timestamptz(default=None, null=True)


class Schedule(Table, tablename="schedule", db=db.ENGINE, tags=["raw"]):
    name = Text(primary_key=True, default=None)
    ticked_at = Timestamptz(default=None, null=False)


class Process(Table, tablename="process", db=db.ENGINE, tags=["raw"]):
    id = UUID(primary_key=True, default=None)
    role = Text(default=None, null=False)
    host = Text(default=None, null=False)
    pid = Integer(default=None, null=False)
    started_at = Timestamptz(default=None, null=False)
    seen_at = Timestamptz(default=None, null=False)


class Letter(Table, tablename="letter", db=db.ENGINE, tags=["raw"]):
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    locale = Text(default=None, null=False)
    to_cipher = Bytea(default=None, null=True)
    values_cipher = Bytea(default=None, null=True)
    written_at = Timestamptz(default=None, null=False)
    sent_at = Timestamptz(default=None, null=True)


class Demonstration(Table, tablename="demonstration", db=db.ENGINE, tags=["raw"]):
    id = Boolean(primary_key=True, default=None)
    begun_at = Timestamptz(default=None, null=False)
    finished_at = Timestamptz(default=None, null=True)


class AuditRecord(Table, tablename="audit_record", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    at = Timestamptz(default=None, null=False)
    user_id = UUID(default=None, null=True)
    role = Text(default=None, null=False)
    action = Text(default=None, null=False)
    subject = Text(default=None, null=False)
    before = JSONB(default=None, null=True)
    after = JSONB(default=None, null=True)
    network = Text(default=None, null=True)
    request_id = Text(default=None, null=True)
    approval = UUID(default=None, null=True)


class AuditSeal(Table, tablename="audit_seal", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = BigInt(primary_key=True, default=None)
    record = UUID(default=None, null=False)
    hash = Bytea(default=None, null=False)


class IdempotentReply(Table, tablename="idempotent_reply", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    key = UUID(default=None, null=False)
    idempotency_key = Text(primary_key=True, default=None)
    request_hash = Bytea(default=None, null=False)
    answer = SmallInt(default=None, null=False)
    body = Text(default=None, null=False)
    answered_at = Timestamptz(default=None, null=False)


class ExportFile(Table, tablename="export_file", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    permission = Text(default=None, null=False)
    parameters = JSONB(default=None, null=False)
    file_name = Text(default=None, null=False)
    rows = BigInt(default=None, null=True)
    state = Text(default=None, null=False)
    task = UUID(default=None, null=False)
    bytes = BigInt(default=None, null=True)
    sha256 = Text(default=None, null=True)
    asked_by = UUID(default=None, null=False)
    asked_at = Timestamptz(default=None, null=False)
    made_at = Timestamptz(default=None, null=True)
    expires_at = Timestamptz(default=None, null=False)


class OutboxEvent(Table, tablename="outbox_event", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    seq = BigInt(primary_key=True, default=None)
    id = UUID(default=None, null=False)
    kind = Text(default=None, null=False)
    subject = Text(default=None, null=False)
    data = JSONB(default=None, null=False)
    at = Timestamptz(default=None, null=False)
    pending = Boolean(default=None, null=False)
