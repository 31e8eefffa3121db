"""Payments of buyers on a reseller's page: what is to be paid is fixed with the order's number before anybody is asked for money.

States: created → pending → paid, failed or expired → refunded. Money that came wins over whatever was said before or after; the
order is made in the transaction that learns of it. Held by the database: forwards only, each notice once, one order a payment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from qucheng.catalog import quote
from qucheng.core import audit, db, errors, ids, mail_address, payment_port, phone
from qucheng.orders import order_number, payment_refund, sale, sales_link, sales_setting
from qucheng.stock import draw, reservation

if TYPE_CHECKING:
    import asyncpg

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand
    from qucheng.orders.sales_link import Link

KEPT = dt.timedelta(minutes=15)
# money that comes after the end is looked for so long, and so seldom
LATE, LATE_PAUSE = dt.timedelta(days=1), dt.timedelta(minutes=30)
MOST_UNITS = 99
LINE = "1"
State = Literal["created", "pending", "failed", "expired", "paid", "refunded"]
Effect = Literal["paid", "failed", "none", "differs"]
COLUMNS = (
    "id, order_no, provider, state, link, reseller, channel, sku, quantity, unit_minor, gross_minor, currency, locale, reservation, created_at,"
    " good_until, pay_address, paid_at, placed_at, problem"
)
# of the transaction that judges it nobody else judges it
LOCKED = f"SELECT {COLUMNS}, phone_cipher, mail_cipher FROM payment WHERE id = $1 FOR UPDATE"
DIFFERS = "payment.amount_differs"


class PaymentUnknownError(errors.RefusedError):
    code: ClassVar[str] = "payment.unknown"
    status: ClassVar[int] = 404


class PaymentTakenError(errors.RefusedError):
    """The order's number was used for something else."""

    code: ClassVar[str] = "payment.taken"
    status: ClassVar[int] = 409


class QuantityError(errors.RefusedError):
    code: ClassVar[str] = "payment.quantity"
    status: ClassVar[int] = 422


class _TwiceError(Exception):
    """Another transaction was as quick with the same number: what this one has held goes back."""


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """The price holds until good_until. placed_at: when the order was made. problem: why none came of money that did."""

    id: uuid.UUID
    order_no: str
    provider: str
    state: State
    link: uuid.UUID
    reseller: str
    channel: str
    sku: str
    quantity: int
    unit_minor: int
    gross_minor: int
    currency: str
    locale: str
    reservation: uuid.UUID | None
    created_at: dt.datetime
    good_until: dt.datetime
    pay_address: str | None
    paid_at: dt.datetime | None
    placed_at: dt.datetime | None
    problem: str | None


async def open_payment(
    *,
    brand: Brand,
    link: Link,
    order_no: str,
    sku: str,
    quantity: int,
    number: str,
    email: str = "",
    locale: str,
    keys: crypto.Keys,
    actor: audit.Actor,
    now: dt.datetime,
) -> Payment:
    """At the price of now, with the stock held for as long as the price. number, email: the buyer's. Sent twice it is the same one.

    Raises PhoneInvalidError, MailAddressInvalidError, QuantityError, LinkUnknownError, NoOnlinePaymentError, what a quote refuses, StockShortError and
    PaymentTakenError.
    """
    called = phone.normalised(number, region=phone.region(brand.currency))
    address = mail_address.normalised(email) if email else None
    if not 0 < quantity <= MOST_UNITS:
        raise QuantityError(f"From 1 to {MOST_UNITS} pieces can be bought at once.")
    if not order_number.is_one(order_no, "P") or not link.open(now) or link.sku not in (None, sku):
        raise sales_link.LinkUnknownError("Nothing is sold behind this link.")
    mark = keys.fingerprint(called, of="sale.phone")
    with contextlib.suppress(_TwiceError):
        async with db.atomic(brand.id):
            standing = await _standing(order_no)
            if standing is not None:
                return _same(standing, mark, link, sku, quantity)
            provider = (await sales_setting.read(brand_id=brand.id)).provider
            if provider == "null":
                raise payment_port.NoOnlinePaymentError("Nobody takes money online here: pay the seller.")
            if await db.connection().fetchval("SELECT kind FROM channel WHERE code = $1", link.channel) == "wholesale":
                raise sales_link.LinkUnknownError("A wholesale price is the reseller's own.")
            found = await quote.resolve(
                brand_id=brand.id, sku=sku, channel=link.channel, reseller=link.reseller, quantity=quantity, at=now
            )
            held = await _reserve(brand, link, sku, quantity, actor, now)
            made = ids.new_id()
            row = await db.connection().fetchrow(
                "INSERT INTO payment (brand_id, id, order_no, provider, state, link, reseller, channel, sku, quantity, unit_minor, gross_minor, currency,"
                " phone_cipher, phone_mark, locale, reservation, created_at, good_until, mail_cipher)"
                " VALUES ($1, $2, $3, $4, 'created', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
                f" ON CONFLICT (brand_id, order_no) DO NOTHING RETURNING {COLUMNS}",
                brand.id, made, order_no, provider, link.id, link.reseller, link.channel, sku, quantity, found.unit_minor, found.gross_minor,
                brand.currency, keys.seal(called.encode(), place=_place_of_phone(made)), mark, locale, held, now, now + KEPT,
                keys.seal(address.encode(), place=_place_of_mail(made)) if address else None,
            )  # fmt: skip
            if row is None:
                raise _TwiceError
            after = {"order_no": order_no, "sku": sku, "quantity": quantity, "gross_minor": found.gross_minor}
            await audit.record(brand_id=brand.id, actor=actor, action="payment.open", subject=str(made), after=after)
            return _read(row)
    async with db.atomic(brand.id):
        return _same(await _standing(order_no), mark, link, sku, quantity)


async def _standing(order_no: str) -> asyncpg.Record | None:
    row: asyncpg.Record | None = await db.connection().fetchrow(
        f"SELECT {COLUMNS}, phone_mark FROM payment WHERE order_no = $1", order_no
    )
    return row


def _same(row: asyncpg.Record | None, mark: bytes, link: Link, sku: str, quantity: int) -> Payment:
    if row is None or (row["phone_mark"], row["link"], row["sku"], row["quantity"]) != (mark, link.id, sku, quantity):
        raise PaymentTakenError("This order was begun with something else.")
    return _read(row)


async def _reserve(brand: Brand, link: Link, sku: str, quantity: int, actor: audit.Actor, now: dt.datetime) -> uuid.UUID | None:
    """Raises StockShortError before anybody has paid."""
    if not await draw.needs_cards([sku]):
        return None
    held = await reservation.reserve(
        brand=brand,
        reseller=link.reseller,
        channel=link.channel,
        sku=sku,
        units=quantity,
        minutes=KEPT // dt.timedelta(minutes=1),
        actor=actor,
        now=now,
    )
    return held.id


async def read(*, brand_id: uuid.UUID, payment: uuid.UUID) -> Payment:
    async with db.atomic(brand_id):
        row = await db.connection().fetchrow(f"SELECT {COLUMNS} FROM payment WHERE id = $1", payment)
    if row is None:
        raise PaymentUnknownError("There is no such payment.")
    return _read(row)


async def brand_of(payment: uuid.UUID) -> uuid.UUID:
    """For a notice, which does not say whose it is."""
    async with db.atomic():
        found: uuid.UUID | None = await db.connection().fetchval("SELECT payment_named($1)", payment)
    if found is None:
        raise PaymentUnknownError("There is no such payment.")
    return found


def charge(brand: Brand, payment: Payment, *, name: str, address: str) -> payment_port.Charge:
    """name: of the article. address: the page of ours to which the payer is led back."""
    return payment_port.Charge(
        id=payment.id,
        amount_minor=payment.gross_minor,
        currency=payment.currency,
        subject=f"{brand.name} {name} × {payment.quantity}",
        return_address=address,
        good_until=payment.good_until,
    )


async def sent(*, brand: Brand, payment: uuid.UUID, created: payment_port.Created) -> Payment:
    """The provider has it: the payer may go there. What was said meanwhile stays."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(
            "UPDATE payment SET state = CASE WHEN state = 'created' THEN 'pending' ELSE state END, pay_address = $2,"
            f" provider_no = coalesce(provider_no, $3) WHERE id = $1 RETURNING {COLUMNS}",
            payment,
            created.address,
            created.provider_no,
        )
    if row is None:
        raise PaymentUnknownError("There is no such payment.")
    return _read(row)


async def told(
    *, brand: Brand, provider: str, notice: payment_port.Notice, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime
) -> Effect:
    """A notice of the provider, whose signature was looked at: once, whatever comes again, late or in another order."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(LOCKED, notice.charge)
        if row is None or row["provider"] != provider:
            raise PaymentUnknownError("There is no such payment.")
        known = await db.connection().fetchval(
            "SELECT effect FROM payment_notice WHERE provider = $1 AND notice = $2", provider, notice.id
        )
        if known is not None:
            return "none"
        said = payment_port.Found(state=notice.kind, amount_minor=notice.amount_minor, currency=notice.currency, at=notice.at)
        effect = await _judge(brand, row, said, keys, actor, now)
        await db.connection().execute(
            "INSERT INTO payment_notice (brand_id, provider, notice, payment, kind, amount_minor, currency, received_at, effect)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            brand.id, provider, notice.id, notice.charge, notice.kind, notice.amount_minor, notice.currency[:10], now, effect,
        )  # fmt: skip
    return effect


async def found(
    *, brand: Brand, payment: uuid.UUID, answer: payment_port.Found, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime
) -> State:
    """What the provider says when it is asked. What nobody has paid for is over when its price no longer holds."""
    async with db.atomic(brand.id):
        row = await db.connection().fetchrow(LOCKED, payment)
        if row is None:
            raise PaymentUnknownError("There is no such payment.")
        await db.connection().execute("UPDATE payment SET asked_at = $2 WHERE id = $1", payment, now)
        if answer.state in ("paid", "failed"):
            await _judge(brand, row, answer, keys, actor, now)
        if row["good_until"] <= now:
            await db.connection().execute(
                "UPDATE payment SET state = 'expired' WHERE id = $1 AND state IN ('created', 'pending')", payment
            )
        state: State = await db.connection().fetchval("SELECT state FROM payment WHERE id = $1", payment)
    return state


async def _judge(
    brand: Brand, row: asyncpg.Record, said: payment_port.Found, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime
) -> Effect:
    """Of paid or failed. The row is locked."""
    if row["state"] in ("paid", "refunded"):
        return "none"
    subject = str(row["id"])
    if said.state == "failed":
        if row["state"] not in ("created", "pending"):
            return "none"
        await db.connection().execute("UPDATE payment SET state = 'failed' WHERE id = $1", row["id"])
        await audit.record(brand_id=brand.id, actor=actor, action="payment.fail", subject=subject)
        return "failed"
    if (said.amount_minor, said.currency) != (row["gross_minor"], row["currency"]):
        await db.connection().execute("UPDATE payment SET problem = $2 WHERE id = $1", row["id"], DIFFERS)
        after = {"amount_minor": said.amount_minor, "currency": (said.currency or "")[:10]}
        await audit.record(brand_id=brand.id, actor=actor, action="payment.differ", subject=subject, after=after)
        return "differs"
    paid_at = min(max(said.at or now, row["created_at"]), now)
    await db.connection().execute(
        "UPDATE payment SET state = 'paid', paid_at = $2, problem = NULL WHERE id = $1", row["id"], paid_at
    )
    await audit.record(brand_id=brand.id, actor=actor, action="payment.pay", subject=subject, after={"order_no": row["order_no"]})
    await _place(brand, row, paid_at, keys, actor, now)
    return "paid"


async def _place(
    brand: Brand, row: asyncpg.Record, paid_at: dt.datetime, keys: crypto.Keys, actor: audit.Actor, now: dt.datetime
) -> None:
    """The order; where it cannot be, the money goes back. Paid in time the price is the one that was promised."""
    line = sale.LineIn(line_no=LINE, sku=row["sku"], quantity=row["quantity"], gross_minor=row["gross_minor"])
    try:
        await sale.place(
            brand=brand,
            order_no=row["order_no"],
            lines=[line],
            reseller=row["reseller"],
            channel=row["channel"],
            source="page",
            paid_at=paid_at,
            priced_at=row["created_at"] if paid_at <= row["good_until"] else None,
            keys=keys,
            phone=keys.open(row["phone_cipher"], place=_place_of_phone(row["id"])).decode(),
            email=keys.open(row["mail_cipher"], place=_place_of_mail(row["id"])).decode() if row["mail_cipher"] else None,
            reservation=row["reservation"],
            actor=actor,
            now=now,
        )
    except errors.RefusedError as refusal:
        await db.connection().execute("UPDATE payment SET problem = $2 WHERE id = $1", row["id"], refusal.code[:60])
        await payment_refund.whole(brand_id=brand.id, payment=row["id"], amount_minor=row["gross_minor"], now=now)
        after = {"order_no": row["order_no"], "problem": refusal.code}
        await audit.record(brand_id=brand.id, actor=actor, action="payment.no_order", subject=str(row["id"]), after=after)
        return
    await db.connection().execute("UPDATE payment SET placed_at = $2 WHERE id = $1", row["id"], now)
    await sales_link.bought(brand=brand, link=row["link"], now=now)


async def in_doubt(*, brand_id: uuid.UUID, before: dt.datetime, most: int) -> list[Payment]:
    """Those nobody has said anything about since, the ones asked for longest ago first; for a day more also those that are over."""
    async with db.atomic(brand_id):
        rows = await db.connection().fetch(
            f"SELECT {COLUMNS} FROM payment WHERE (state IN ('created', 'pending') AND coalesce(asked_at, created_at) < $1)"
            " OR (state IN ('failed', 'expired') AND created_at > $3 AND coalesce(asked_at, created_at) < $4)"
            " ORDER BY coalesce(asked_at, created_at), id LIMIT $2",
            before,
            most,
            before - LATE,
            before - LATE_PAUSE,
        )
    return [_read(row) for row in rows]


def _place_of_phone(payment: uuid.UUID) -> str:
    return f"payment/phone/{payment}"


def _place_of_mail(payment: uuid.UUID) -> str:
    return f"payment/mail/{payment}"


def _read(row: asyncpg.Record) -> Payment:
    return Payment(**{name: row[name] for name in Payment.__struct_fields__})
