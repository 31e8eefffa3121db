"""The brand, people, their sessions and roles, and what one asks of another.

The migration adds what Piccolo cannot say: the policy check, row-level security, and keys within the brand.
"""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Bytea, Date, Integer, SmallInt, Text, Timestamptz
from piccolo.table import Table

from qucheng.core import db


class Brand(Table, tablename="brand", db=db.ENGINE, tags=["raw"]):
    id = UUID(primary_key=True, default=None)
    code = Text(default=None, null=False)
    name = Text(default=None, null=False)
    currency = Text(default=None, null=False)
    decimals = SmallInt(default=None, null=False)
    time_zone = Text(default=None, null=False)
    locale = Text(default=None, null=False)
    policy = Text(default=None, null=False)
    legal_opinion = Text(default=None, null=True)
    expires_on = Date(default=None, null=True)
    max_depth = SmallInt(default=None, null=False)
    max_levels = SmallInt(default=None, null=False)
    max_total_rate_ppm = Integer(default=None, null=False)
    hold_days = SmallInt(default=None, null=False)
    min_payout_minor = BigInt(default=None, null=False)
    withholding = Text(default=None, null=False)


class Person(Table, tablename="person", db=db.ENGINE, tags=["raw"]):
    id = UUID(primary_key=True, default=None)
    login_hash = Bytea(default=None, null=False)
    login_cipher = Bytea(default=None, null=False)
    name_cipher = Bytea(default=None, null=False)
    locale = Text(default=None, null=False)
    password_hash = Text(default=None, null=False)
    state = Text(default=None, null=False)
    created_at = Timestamptz(default=None, null=False)
    password_at = Timestamptz(default=None, null=False)


class SignInFailure(Table, tablename="sign_in_failure", db=db.ENGINE, tags=["raw"]):
    login_hash = Bytea(default=None, null=False)
    network = Text(primary_key=True, default=None)
    failures = Integer(default=None, null=False)
    last_at = Timestamptz(default=None, null=False)
    blocked_until = Timestamptz(default=None, null=False)


class SignInPressure(Table, tablename="sign_in_pressure", db=db.ENGINE, tags=["raw"]):
    login_hash = Bytea(primary_key=True, default=None)
    since = Timestamptz(default=None, null=False)
    failures = Integer(default=None, null=False)


class SecondFactor(Table, tablename="second_factor", db=db.ENGINE, tags=["raw"]):
    user_id = UUID(primary_key=True, default=None)
    secret_cipher = Bytea(default=None, null=False)
    confirmed_at = Timestamptz(default=None, null=True)
    last_step = BigInt(default=None, null=False)
    failures = Integer(default=None, null=False)
    blocked_until = Timestamptz(default=None, null=True)


class RecoveryCode(Table, tablename="recovery_code", db=db.ENGINE, tags=["raw"]):
    user_id = UUID(default=None, null=False)
    code_hash = Bytea(primary_key=True, default=None)
    used_at = Timestamptz(default=None, null=True)


class Session(Table, tablename="session", db=db.ENGINE, tags=["raw"]):
    id = UUID(primary_key=True, default=None)
    user_id = UUID(default=None, null=False)
    token_hash = Bytea(default=None, null=False)
    brand = UUID(default=None, null=True)
    membership = UUID(default=None, null=True)
    started_at = Timestamptz(default=None, null=False)
    seen_at = Timestamptz(default=None, null=False)
    second_factor_at = Timestamptz(default=None, null=True)
    device = Text(default=None, null=False)
    network = Text(default=None, null=False)
    ended_at = Timestamptz(default=None, null=True)
    ending = Text(default=None, null=True)


class PasswordReset(Table, tablename="password_reset", db=db.ENGINE, tags=["raw"]):
    token_hash = Bytea(primary_key=True, default=None)
    user_id = UUID(default=None, null=False)
    requested_at = Timestamptz(default=None, null=False)
    expires_at = Timestamptz(default=None, null=False)
    used_at = Timestamptz(default=None, null=True)


class Membership(Table, tablename="membership", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    user_id = UUID(default=None, null=False)
    role = Text(default=None, null=False)
    reseller = Text(default=None, null=True)
    granted_at = Timestamptz(default=None, null=False)
    granted_by = UUID(default=None, null=True)
    revoked_at = Timestamptz(default=None, null=True)
    revoked_by = UUID(default=None, null=True)


class Invitation(Table, tablename="invitation", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    token_hash = Bytea(default=None, null=False)
    login_hash = Bytea(default=None, null=False)
    login_cipher = Bytea(default=None, null=False)
    role = Text(default=None, null=False)
    reseller = Text(default=None, null=True)
    invited_at = Timestamptz(default=None, null=False)
    invited_by = UUID(default=None, null=True)
    expires_at = Timestamptz(default=None, null=False)
    accepted_at = Timestamptz(default=None, null=True)
    accepted_by = UUID(default=None, null=True)
    withdrawn_at = Timestamptz(default=None, null=True)


class RoleRequest(Table, tablename="role_request", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    approval = UUID(primary_key=True, default=None)
    invitation = UUID(default=None, null=False)
    token_hash = Bytea(default=None, null=False)
    login_hash = Bytea(default=None, null=False)
    login_cipher = Bytea(default=None, null=False)
    role = Text(default=None, null=False)
    letter = UUID(default=None, null=False)


class Approval(Table, tablename="approval", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    action = Text(default=None, null=False)
    payload = Text(default=None, null=False)
    sha256 = Text(default=None, null=False)
    maker = UUID(default=None, null=False)
    checker = UUID(default=None, null=True)
    state = Text(default=None, null=False)
    requested_at = Timestamptz(default=None, null=False)
    expires_at = Timestamptz(default=None, null=False)
    decided_at = Timestamptz(default=None, null=True)
    executed_at = Timestamptz(default=None, null=True)
    reason = Text(default=None, null=True)


class ApiKey(Table, tablename="api_key", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    name = Text(default=None, null=False)
    mode = Text(default=None, null=False)
    reseller = Text(default=None, null=True)
    scopes = Text(default=None, null=False)
    networks = Text(default=None, null=True)
    created_at = Timestamptz(default=None, null=False)
    created_by = UUID(default=None, null=False)
    expires_at = Timestamptz(default=None, null=False)
    revoked_at = Timestamptz(default=None, null=True)
    revoked_by = UUID(default=None, null=True)
    last_used_on = Date(default=None, null=True)
    bearer_orders = Boolean(default=None, null=False)


class ApiSecret(Table, tablename="api_secret", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    key = UUID(default=None, null=False)
    number = SmallInt(primary_key=True, default=None)
    token_hash = Bytea(default=None, null=False)
    signing_cipher = Bytea(default=None, null=True)
    issued_at = Timestamptz(default=None, null=False)
    issued_by = UUID(default=None, null=False)
    ends_at = Timestamptz(default=None, null=True)


class ApiNonce(Table, tablename="api_nonce", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    key = UUID(default=None, null=False)
    nonce = Text(primary_key=True, default=None)
    used_at = Timestamptz(default=None, null=False)


class LegalOpinion(Table, tablename="legal_opinion", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    reference = Text(default=None, null=False)
    starts_on = Date(default=None, null=False)
    expires_on = Date(default=None, null=False)
    author = UUID(default=None, null=False)
    approver = UUID(default=None, null=False)
    approval = UUID(default=None, null=False)
    approved_on = Date(default=None, null=False)
    approved_at = Timestamptz(default=None, null=False)


class PolicyValue(Table, tablename="policy_value", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    starts_on = Date(primary_key=True, default=None)
    max_depth = SmallInt(default=None, null=False)
    max_levels = SmallInt(default=None, null=False)
    max_total_rate_ppm = Integer(default=None, null=False)
    author = UUID(default=None, null=False)
    approver = UUID(default=None, null=False)
    approval = UUID(default=None, null=False)
    approved_on = Date(default=None, null=False)
    approved_at = Timestamptz(default=None, null=False)


class Notification(Table, tablename="notification", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    user_id = UUID(default=None, null=False)
    reseller = Text(default=None, null=True)
    kind = Text(default=None, null=False)
    subject = Text(default=None, null=False)
    content = JSONB(default=None, null=False)
    shown = Boolean(default=None, null=False)
    told_at = Timestamptz(default=None, null=False)
    read_at = Timestamptz(default=None, null=True)
    mail = Text(default=None, null=False)
    mailed_at = Timestamptz(default=None, null=True)


class NotificationSetting(Table, tablename="notification_setting", db=db.ENGINE, tags=["raw"]):
    user_id = UUID(default=None, null=False)
    kind = Text(primary_key=True, default=None)
    app = Boolean(default=None, null=False)
    mail = Boolean(default=None, null=False)


class WebhookEndpoint(Table, tablename="webhook_endpoint", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    id = UUID(primary_key=True, default=None)
    url = Text(default=None, null=False)
    kinds = Text(default=None, null=False)
    state = Text(default=None, null=False)
    created_at = Timestamptz(default=None, null=False)
    created_by = UUID(default=None, null=False)
    changed_at = Timestamptz(default=None, null=False)


class WebhookSecret(Table, tablename="webhook_secret", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    endpoint = UUID(default=None, null=False)
    number = SmallInt(primary_key=True, default=None)
    cipher = Bytea(default=None, null=False)
    issued_at = Timestamptz(default=None, null=False)
    issued_by = UUID(default=None, null=False)
    ends_at = Timestamptz(default=None, null=True)


class WebhookDelivery(Table, tablename="webhook_delivery", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    endpoint = UUID(default=None, null=False)
    event = BigInt(primary_key=True, default=None)
    kind = Text(default=None, null=False)
    subject = Text(default=None, null=False)
    state = Text(default=None, null=False)
    attempt = Integer(default=None, null=False)
    tries = SmallInt(default=None, null=False)
    queued_at = Timestamptz(default=None, null=False)
    due_at = Timestamptz(default=None, null=True)
    lease_until = Timestamptz(default=None, null=True)
    ended_at = Timestamptz(default=None, null=True)


class WebhookAttempt(Table, tablename="webhook_attempt", db=db.ENGINE, tags=["raw"]):
    brand_id = UUID(default=None, null=False)
    endpoint = UUID(default=None, null=False)
    event = BigInt(default=None, null=False)
    number = Integer(primary_key=True, default=None)
    at = Timestamptz(default=None, null=False)
    duration_ms = Integer(default=None, null=False)
    status = SmallInt(default=None, null=True)
    fault = Text(default=None, null=True)
    answer = Text(default=None, null=True)
