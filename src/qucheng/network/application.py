"""Asking to become a reseller: it costs nothing, waits for somebody of the brand, and is answered once."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.core import audit, crypto, db, errors, ids, letter
from qucheng.identity import notification
from qucheng.network import agreement, application_form, document_number, identity_facts

if TYPE_CHECKING:
    from qucheng.identity.brand import Brand
    from qucheng.network.application_form import Form

State = Literal["waiting", "repeated", "approved", "rejected"]
COLUMNS = (
    "id, kind, name, identity_hash, locale, invited_by, agreement, agreement_sha256, address, fee_minor, applied_at, state,"
    " decided_at, decided_by, reason, reseller, facts_cipher IS NULL AS wiped"
)
MOST = 200
# half a year after it was rejected nobody needs to know who it was; the database wipes nothing before
WIPE = """
    UPDATE application SET facts_cipher = NULL
    WHERE state = 'rejected' AND facts_cipher IS NOT NULL AND decided_at < clock_timestamp() - interval '180 days'"""


class ApplicationUnfitError(errors.RefusedError):
    """fields: what cannot be so, in the order of the form."""

    code: ClassVar[str] = "application.unfit"
    status: ClassVar[int] = 422

    def __init__(self, fields: list[str]) -> None:
        super().__init__(f"The application cannot be taken: {', '.join(fields)}.")
        self.fields = fields


class NotOpenError(errors.RefusedError):
    """The brand has no agreement in force, so that nobody could agree to it."""

    code: ClassVar[str] = "application.not_open"
    status: ClassVar[int] = 404


class ApplicationUnknownError(errors.RefusedError):
    code: ClassVar[str] = "application.unknown"
    status: ClassVar[int] = 404


class FactsWipedError(errors.RefusedError):
    """It was rejected long ago: who it was is not kept any more."""

    code: ClassVar[str] = "application.facts_wiped"
    status: ClassVar[int] = 410


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """Without what is sealed. same: how many other applications the same person has made; existing: resellers that it is already.

    wiped: what was sealed is gone.
    """

    id: uuid.UUID
    kind: str
    name: str
    identity_hash: bytes
    locale: Literal["zh-CN", "en"]
    invited_by: str | None
    agreement: int
    agreement_sha256: str
    address: str
    fee_minor: int
    applied_at: dt.datetime
    state: State
    decided_at: dt.datetime | None
    decided_by: uuid.UUID | None
    reason: str | None
    reseller: str | None
    wiped: bool
    channels: tuple[str, ...] = ()
    inviter: str | None = None
    same: int = 0
    existing: tuple[str, ...] = ()


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What of an application nobody reads in the database."""

    token_hash: bytes
    facts_cipher: bytes
    identity_hash: bytes


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What its maker is shown by the link of the letter: that it was repeated is not said."""

    brand_name: str
    name: str
    applied_at: dt.datetime
    state: Literal["waiting", "approved", "rejected"]
    decided_at: dt.datetime | None
    reason: str | None
    reseller: str | None
    agreement: int
    agreement_sha256: str


def place(application_id: uuid.UUID) -> str:
    """Where its facts are sealed for."""
    return f"application.facts/{application_id}"


def token(keys: crypto.Keys, brand_id: uuid.UUID, application_id: uuid.UUID) -> str:
    """Of its link. Made from the keys, so that a later letter has the same one; stored as a hash only."""
    secret = keys.fingerprint(str(application_id), of="application-link")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (brand_id.bytes, secret))


async def submit(
    *,
    keys: crypto.Keys,
    brand: Brand,
    form: Form,
    address: str,
    locale: Literal["zh-CN", "en"],
    day: dt.date,
    actor: audit.Actor,
    now: dt.datetime,
) -> uuid.UUID:
    """Whoever applies a second time is answered as if it were the first: nobody finds out who has applied.

    day: today at the brand. Raises ApplicationUnfitError, NotOpenError and agreement.AgreementChangedError.
    """
    async with db.atomic(brand.id):
        current = await agreement.in_force(brand_id=brand.id, day=day)
        if current is None:
            raise NotOpenError(f"{brand.code} takes no applications yet.")
        channels = frozenset(code for code, _ in await channels_of(brand.id))
        if faults := application_form.faults(form, channels=channels, today=day):
            raise ApplicationUnfitError(faults)
        if (form.agreement, form.agreement_sha256) != (current.number, current.sha256):
            raise agreement.AgreementChangedError("The agreement is another one by now: read it again.")
        application_id, facts = ids.new_id(), application_form.facts(form)
        known = identity_facts.fingerprint(keys, brand.id, facts.document, facts.number)
        state = await _state(brand.id, known)
        sealed = Sealed(
            token_hash=crypto.token_hash(token(keys, brand.id, application_id)),
            facts_cipher=identity_facts.sealed(keys, facts, place=place(application_id)),
            identity_hash=known,
        )
        await _insert(brand.id, application_id, form, sealed, state, address, locale, now)
        after = {
            "kind": form.kind,
            "state": state,
            "agreement": current.number,
            "fee_minor": 0,
            "channels": sorted(form.channels),
        }
        await audit.record(brand_id=brand.id, actor=actor, action="application.submit", subject=str(application_id), after=after)
        await write_letter(keys, brand, application_id, "application-received", locale, facts.email, now)
        await notification.tell(
            brand_id=brand.id,
            kind="application.received",
            subject=str(application_id),
            values={},
            roles=("owner", "manager"),
        )
    return application_id


async def _state(brand_id: uuid.UUID, known: bytes) -> State:
    """Two of the same person at once: the second waits, and finds the first."""
    await db.connection().execute("SELECT lock_brand($1, $2)", brand_id, f"application/{known.hex()}")
    waits = await db.connection().fetchval(
        "SELECT EXISTS (SELECT 1 FROM application WHERE identity_hash = $1 AND state = 'waiting')", known
    )
    return "repeated" if waits else "waiting"


async def _insert(
    brand_id: uuid.UUID,
    application_id: uuid.UUID,
    form: Form,
    sealed: Sealed,
    state: State,
    address: str,
    locale: str,
    now: dt.datetime,
) -> None:
    await db.connection().execute(
        "INSERT INTO application (brand_id, id, token_hash, kind, name, facts_cipher, identity_hash, locale, invited_by, agreement,"
        " agreement_sha256, address, applied_at, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        brand_id,
        application_id,
        sealed.token_hash,
        form.kind,
        form.name.strip(),
        sealed.facts_cipher,
        sealed.identity_hash,
        locale,
        form.invited_by or None,
        form.agreement,
        form.agreement_sha256,
        address,
        now,
        state,
    )
    await db.connection().execute(
        "INSERT INTO application_channel (brand_id, application, channel) SELECT $1, $2, unnest($3::text[])",
        brand_id,
        application_id,
        sorted(set(form.channels)),
    )


async def write_letter(
    keys: crypto.Keys,
    brand: Brand,
    application_id: uuid.UUID,
    kind: Literal["application-received", "application-approved", "application-rejected"],
    locale: Literal["zh-CN", "en"],
    to: str,
    now: dt.datetime,
) -> None:
    values = {"token": token(keys, brand.id, application_id), "brand": brand.name}
    await letter.write(keys=keys, kind=kind, locale=locale, to=to, values=values, now=now)


async def look(*, token: str) -> Shown:
    """Raises ApplicationUnknownError."""
    try:
        brand_id = uuid.UUID(bytes=base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
    except (ValueError, binascii.Error):
        raise ApplicationUnknownError("There is no such application.") from None
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            "SELECT b.name AS brand_name, a.name, a.applied_at, CASE a.state WHEN 'repeated' THEN 'waiting' ELSE a.state END AS state,"
            " a.decided_at, a.reason, a.reseller, a.agreement, a.agreement_sha256"
            " FROM application a JOIN brand b ON b.id = a.brand_id WHERE a.token_hash = $1",
            crypto.token_hash(token),
        )
    if row is None:
        raise ApplicationUnknownError("There is no such application.")
    return Shown(**dict(row))


async def channels_of(brand_id: uuid.UUID) -> list[tuple[str, str]]:
    """Codes and names."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch("SELECT code, name FROM channel ORDER BY code LIMIT $1", MOST)
    return [(row["code"], row["name"]) for row in rows]


async def listing(*, brand_id: uuid.UUID, states: tuple[State, ...]) -> list[Application]:
    """Those that wait the longest first, what was decided the newest first."""
    order = "applied_at, id" if "waiting" in states else "decided_at DESC, id DESC"
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM application WHERE state = ANY ($1) ORDER BY {order} LIMIT $2", list(states), MOST
        )
    return [Application(**dict(row)) for row in rows]


async def read(*, brand_id: uuid.UUID, application_id: uuid.UUID) -> Application:
    """Raises ApplicationUnknownError."""
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(
            f"SELECT {COLUMNS},"
            " ARRAY(SELECT channel FROM application_channel c WHERE c.brand_id = a.brand_id AND c.application = a.id ORDER BY 1) AS channels,"
            " (SELECT r.name FROM reseller r WHERE r.brand_id = a.brand_id AND r.code = a.invited_by) AS inviter,"
            " (SELECT count(*) FROM application o WHERE o.brand_id = a.brand_id AND o.identity_hash = a.identity_hash AND o.id <> a.id) AS same,"
            " ARRAY(SELECT i.reseller FROM reseller_identity i WHERE i.brand_id = a.brand_id AND i.identity_hash = a.identity_hash"
            "       AND i.reseller IS DISTINCT FROM a.reseller ORDER BY 1) AS existing"
            " FROM application a WHERE id = $1",
            application_id,
        )
    if row is None:
        raise ApplicationUnknownError("There is no such application.")
    return Application(**{**dict(row), "channels": tuple(row["channels"]), "existing": tuple(row["existing"])})


async def open_facts(
    *, keys: crypto.Keys, brand_id: uuid.UUID, application_id: uuid.UUID, actor: audit.Actor
) -> identity_facts.Facts:
    """That somebody has looked is on record. Raises ApplicationUnknownError, FactsWipedError."""
    async with db.atomic(brand_id):
        found = await sealed_facts(keys, application_id)
        await audit.record(brand_id=brand_id, actor=actor, action="application.read", subject=str(application_id))
    return found


async def sealed_facts(keys: crypto.Keys, application_id: uuid.UUID) -> identity_facts.Facts:
    """Inside a transaction of the brand, for what needs them and shows them to nobody.

    Raises ApplicationUnknownError, FactsWipedError.
    """
    row = await db.connection().fetchrow("SELECT facts_cipher FROM application WHERE id = $1", application_id)
    if row is None:
        raise ApplicationUnknownError("There is no such application.")
    if row["facts_cipher"] is None:
        raise FactsWipedError("Who applied is not kept any more.")
    return identity_facts.opened(keys, row["facts_cipher"], place=place(application_id))


async def prune(*, brand_id: uuid.UUID) -> int:
    """Wipes what is sealed of applications that were rejected half a year ago, by the database's clock. Returns how many."""
    async with db.atomic(brand_id):
        done: str = await db.connection().execute(WIPE)
    return int(done.rpartition(" ")[2])


def documents(kind: str) -> tuple[document_number.Document, ...]:
    return document_number.DOCUMENTS.get(kind, ())
