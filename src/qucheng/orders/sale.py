"""Live orders: paid, sent one by one, and taken in whole or not at all.

The lines stand in the brand's open intake with what froze on them, like those of a delivery; what else is known of the order
stands in `sale`. An order number is taken once: sent again with the same content it is the same order.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import asyncpg
import msgspec

from qucheng.core import audit, db, errors, outbox
from qucheng.orders import delivery, deviation, intake, order, rules
from qucheng.stock import draw

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from qucheng.core import crypto
    from qucheng.identity.brand import Brand

Fault = rules.Fault
LineIn = rules.LineIn
Source = Literal["api", "manual", "page"]
StockState = Literal["none", "delivered", "paid_without_stock", "resolved"]
SHOWN = "order_no, source, reseller, channel, placed_at, paid_at, stock_state"
STAGED = """(
    SELECT $2::text AS order_no, u.line_no, $5::timestamptz AS paid_at, $3::text AS reseller, $4::text AS channel, u.sku, u.quantity, u.gross_minor,
           u.discount_minor, $6::text AS buyer, u.place
    FROM unnest($7::text[], $8::text[], $9::integer[], $10::bigint[], $11::bigint[]) WITH ORDINALITY u (line_no, sku, quantity, gross_minor, discount_minor, place))"""
# of the seller alone, looked up by keys: the places of a whole network would be made for every order
STANDING = """(
    SELECT $3::text AS reseller, s.tier, s.parent, p.tier AS parent_tier, p.parent AS grandparent, g.tier AS grandparent_tier, s.identity,
           p.identity AS parent_identity, g.identity AS grandparent_identity, date '-infinity' AS starts_on, date 'infinity' AS ends_on
    FROM brand z CROSS JOIN LATERAL (SELECT ($5::timestamptz AT TIME ZONE z.time_zone)::date AS day) d CROSS JOIN LATERAL place_on($3, d.day) s
    LEFT JOIN LATERAL place_on(s.parent, d.day) p ON true LEFT JOIN LATERAL place_on(p.parent, d.day) g ON true OFFSET 0)"""
FREEZE = (
    order.FREEZE.format(row="nextval('live_row')::integer", staged=STAGED, standing=STANDING, cost=f"({order.COST})")
    + " ORDER BY c.place RETURNING line_no, self_purchase, hold_from"
)
STORE = """
    INSERT INTO sale (brand_id, order_no, source, reseller, channel, placed_at, paid_at, stock_state, placed_by, api_key, content_sha256, phone_fingerprint, mail_fingerprint,
                      phone_cipher, mail_cipher)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
    WHERE NOT EXISTS (SELECT 1 FROM order_line l WHERE l.brand_id = $1 AND l.order_no = $2 AND l.intake <> $16) RETURNING order_no"""
LINES = """
    SELECT l.line_no, l.sku, l.quantity, l.gross_minor, l.discount_minor, l.net_minor, l.self_purchase,
           array(SELECT f.code FROM order_flag f WHERE f.brand_id = l.brand_id AND f.order_no = l.order_no AND f.line_no = l.line_no ORDER BY f.code) AS flags
    FROM order_line l WHERE l.order_no = $1 ORDER BY length(l.line_no), l.line_no"""

# whatever the channel does with orders that deviate
REFUSED = {"sku.unknown", "sku.off_sale"}
# a package may have parts that need cards
FROM_STOCK = {"card_secret", "package"}
DETAILS = {
    "sku.unknown": ("sku", "There is no such SKU."),
    "sku.off_sale": ("sku", "The SKU is off sale."),
    "order.not_for_sale": ("sku", "The reseller may not sell this in the channel, or it has no price there."),
    "order.price_deviates": (
        "gross/amount",
        "Not the price of the price book times the quantity, and the channel takes no other.",
    ),
}


class OrderInvalidError(errors.RefusedError):
    """faults: everything that cannot be so, not the first alone."""

    code: ClassVar[str] = "order.invalid"
    status: ClassVar[int] = 422

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} things about the order cannot be so.")
        self.faults = faults


class OrderExistsError(errors.RefusedError):
    """Another order has the number."""

    code: ClassVar[str] = "order.exists"
    status: ClassVar[int] = 409


class OrderUnknownError(errors.RefusedError):
    code: ClassVar[str] = "order.unknown"
    status: ClassVar[int] = 404


class Line(msgspec.Struct, frozen=True, kw_only=True):
    line_no: str
    sku: str
    quantity: int
    gross_minor: int
    discount_minor: int
    net_minor: int
    self_purchase: bool
    flags: tuple[str, ...]


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """created: whether it was placed now."""

    order_no: str
    source: Source
    reseller: str
    channel: str
    placed_at: dt.datetime
    paid_at: dt.datetime
    stock_state: StockState
    lines: tuple[Line, ...]
    created: bool = False


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """An order that is to be placed."""

    brand: Brand
    order_no: str
    lines: Sequence[LineIn]
    reseller: str
    channel: str
    source: Source
    paid_at: dt.datetime
    buyer: str | None
    marks: tuple[bytes | None, bytes | None]
    content: bytes
    now: dt.datetime


class _Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """selves: lines that are bought by the seller itself, or by one above it. held: whose hold counts from their delivery."""

    intake: int
    selves: set[str]
    held: set[str]


class _Judged(msgspec.Struct, frozen=True, kw_only=True):
    flag: str | None
    from_stock: bool


async def place(
    *,
    brand: Brand,
    order_no: str,
    lines: Sequence[LineIn],
    reseller: str,
    channel: str,
    source: Source,
    paid_at: dt.datetime | None = None,
    priced_at: dt.datetime | None = None,
    keys: crypto.Keys | None = None,
    phone: str | None = None,
    email: str | None = None,
    buyer: str | None = None,
    reservation: uuid.UUID | None = None,
    actor: audit.Actor,
    api_key: uuid.UUID | None = None,
    now: dt.datetime,
) -> Sale:
    """paid_at: now, unless it is said, and then it is part of the content. priced_at: by whose prices the gross is judged.

    phone, email: the buyer's, normalised, sealed with `keys`. Raises OrderInvalidError, OrderExistsError, and what
    draw.draw() raises for a reservation.
    """
    reached = delivery.Reached(phone=phone or None, email=email or None)
    marks = reached.marks(keys)
    said = (paid_at.astimezone(dt.UTC) if paid_at else None, buyer or None, *marks)
    asked = _Asked(
        brand=brand, order_no=order_no, lines=lines, reseller=reseller, channel=channel, source=source, paid_at=paid_at or now,
        buyer=buyer or None, marks=marks, now=now,
        content=rules.content(source, reseller, channel, *said, [msgspec.structs.astuple(line) for line in lines]),
    )  # fmt: skip
    try:
        async with db.atomic(brand.id):
            looked = await _judge(asked, priced_at or asked.paid_at)
            if looked is None:
                return await read(brand_id=brand.id, order_no=order_no)
            frozen = await _freeze(asked, [look.flag for look in looked])
            state = await _draw(asked, looked, frozen, reservation, actor)
            stored = await db.connection().fetchval(
                STORE,
                *(
                    brand.id,
                    order_no,
                    source,
                    reseller,
                    channel,
                    now,
                    asked.paid_at,
                    state,
                    actor.user_id,
                    api_key,
                    asked.content,
                ),
                *(*asked.marks, *reached.sealed(keys, brand.id, order_no), frozen.intake),
            )
            if stored is None:
                # a delivery brought other lines of this number meanwhile
                raise OrderExistsError("Another order has this number.")
            await _tell(asked, state, actor)
            if keys and reached and state == "delivered":
                await delivery.link(brand=brand, order_no=order_no, keys=keys, reached=reached, actor=actor, now=now)
    except asyncpg.UniqueViolationError as error:
        if error.table_name not in {"order_line", "sale"}:
            raise
        return await _again(asked)
    return Sale(
        order_no=order_no, source=source, reseller=reseller, channel=channel, placed_at=now, paid_at=asked.paid_at, stock_state=state,
        lines=tuple(_line(line, look.flag, line.line_no in frozen.selves) for line, look in zip(lines, looked, strict=True)), created=True,
    )  # fmt: skip


async def _judge(asked: _Asked, priced_at: dt.datetime) -> list[_Judged] | None:
    """Of each line its flag, and whether it may need cards; None where the order was placed already. Raises OrderInvalidError, OrderExistsError."""
    found = rules.order_faults(
        order_no=asked.order_no, lines=asked.lines, buyer=asked.buyer, paid_at=asked.paid_at, now=asked.now
    )
    looked = await deviation.look(
        reseller=asked.reseller,
        channel=asked.channel,
        # without a line the rest is looked at all the same
        skus=[line.sku for line in asked.lines[: rules.MOST_LINES]] or [""],
        paid_at=asked.paid_at,
        priced_at=priced_at,
        order_no=asked.order_no,
    )
    first = looked[0]
    if first.placed is not None or first.taken:
        if first.placed == asked.content:
            return None
        raise OrderExistsError("Another order has this number.")
    about = _unknown(first)
    found += about
    judged = [
        _Judged(flag=_code(line, each), from_stock=each.kind in FROM_STOCK)
        for line, each in zip(asked.lines, looked, strict=False)
    ]
    for place, code in enumerate(each.flag for each in judged):
        if code in REFUSED or (code is not None and first.deviation == "refuse" and not about):
            field, detail = DETAILS[code]
            found.append(Fault(code=code, pointer=f"/lines/{place}/{field}", detail=detail))
    if found:
        raise OrderInvalidError(found)
    return judged


def _unknown(first: deviation.Looked) -> list[Fault]:
    found = []
    if not first.known_reseller:
        found.append(Fault(code="reseller.unknown", pointer="/reseller", detail="There is no such reseller."))
    elif not first.joined:
        found.append(Fault(code="order.before_joined", pointer="/paidAt", detail="The reseller had not joined by that day."))
    if first.deviation is None:
        found.append(Fault(code="channel.unknown", pointer="/channel", detail="There is no such channel."))
    return found


def _code(line: LineIn, looked: deviation.Looked) -> str | None:
    if looked.on_sale is None:
        return "sku.unknown"
    if not looked.on_sale:
        return "sku.off_sale"
    return looked.code(quantity=line.quantity, gross_minor=line.gross_minor)


async def _freeze(asked: _Asked, flags: list[str | None]) -> _Frozen:
    """Writes the lines with their flags."""
    number = await intake.enter(now=asked.now)
    rows = await db.connection().fetch(
        FREEZE,
        *(number, asked.order_no, asked.reseller, asked.channel, asked.paid_at, asked.buyer),
        *([getattr(line, name) for line in asked.lines] for name in LineIn.__struct_fields__),
    )
    if len(rows) != len(asked.lines):
        raise RuntimeError("an order has other lines than were judged")
    selves = {row["line_no"] for row in rows if row["self_purchase"]}
    flagged = [(line.line_no, code) for line, code in zip(asked.lines, flags, strict=True) if code]
    flagged += [(line_no, "order.self_purchase") for line_no in sorted(selves)]
    if flagged:
        await db.connection().execute(
            "INSERT INTO order_flag (brand_id, order_no, line_no, code) SELECT current_brand(), $1, * FROM unnest($2::text[], $3::text[])",
            asked.order_no,
            [line_no for line_no, _ in flagged],
            [code for _, code in flagged],
        )
    return _Frozen(intake=number, selves=selves, held={row["line_no"] for row in rows if row["hold_from"] == "delivered"})


async def _draw(
    asked: _Asked, judged: list[_Judged], frozen: _Frozen, reservation: uuid.UUID | None, actor: audit.Actor
) -> StockState:
    """The cards of the lines that need some: of a line all or none."""
    if reservation is None and not any(each.from_stock for each in judged):
        return "none"
    drawn = await draw.draw(
        brand=asked.brand,
        order_no=asked.order_no,
        reseller=asked.reseller,
        channel=asked.channel,
        lines=[draw.Wanted(line_no=line.line_no, sku=line.sku, units=line.quantity) for line in asked.lines],
        reservation=reservation,
        actor=actor,
        now=asked.now,
    )
    states = {each.state for each in drawn}
    got = {each.line_no for each in drawn if each.state == "delivered"} & frozen.held
    if got:
        units = {line.line_no: line.quantity for line in asked.lines if line.line_no in got}
        at = max(asked.now, asked.paid_at)
        await delivery.record(brand_id=asked.brand.id, order_no=asked.order_no, units=units, number=frozen.intake, at=at)
    return "paid_without_stock" if "short" in states else "delivered" if "delivered" in states else "none"


async def _tell(asked: _Asked, state: StockState, actor: audit.Actor) -> None:
    await audit.record(
        brand_id=asked.brand.id,
        actor=actor,
        action="order.place",
        subject=asked.order_no,
        after={
            "source": asked.source, "reseller": asked.reseller, "channel": asked.channel, "lines": len(asked.lines),
            "net_minor": sum(line.gross_minor - line.discount_minor for line in asked.lines), "stock_state": state,
        },
    )  # fmt: skip
    await outbox.tell(brand_id=asked.brand.id, kind="order.paid", subject=asked.order_no, data={"orderNo": asked.order_no})


async def _again(asked: _Asked) -> Sale:
    """Another transaction placed an order of this number meanwhile."""
    async with db.atomic(asked.brand.id):
        placed = await db.connection().fetchval("SELECT content_sha256 FROM sale WHERE order_no = $1", asked.order_no)
        if placed != asked.content:
            raise OrderExistsError("Another order has this number.")
        return await read(brand_id=asked.brand.id, order_no=asked.order_no)


def _line(line: LineIn, flag: str | None, self_purchase: bool) -> Line:  # noqa: FBT001
    flags = sorted(code for code in (flag, "order.self_purchase" if self_purchase else None) if code)
    return Line(
        line_no=line.line_no, sku=line.sku, quantity=line.quantity, gross_minor=line.gross_minor, discount_minor=line.discount_minor,
        net_minor=line.gross_minor - line.discount_minor, self_purchase=self_purchase, flags=tuple(flags),
    )  # fmt: skip


async def read(*, brand_id: uuid.UUID, order_no: str, reseller: str | None = None) -> Sale:
    """reseller: with its rights, and only its own. Raises OrderUnknownError."""
    async with db.atomic(brand_id, reseller=reseller):
        row = await db.connection().fetchrow(f"SELECT {SHOWN} FROM sale WHERE order_no = $1", order_no)
        lines = await db.connection().fetch(LINES, order_no)
    if row is None:
        raise OrderUnknownError("There is no such order.")
    return Sale(**dict(row), lines=tuple(Line(**{**dict(each), "flags": tuple(each["flags"])}) for each in lines))
