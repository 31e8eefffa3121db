"""Something of the own brand for each parameter of a path: of its reseller where it is a reseller's, of one person where a person's."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
import zoneinfo
from typing import TYPE_CHECKING

import msgspec
from tests import books
from tests.doors.matrix import pool_objects, store_objects
from tests.rooms.catalog import goods
from tests.rooms.identity import people
from tests.rooms.network import desk

from qucheng.catalog import catalog_import, channel, image, price_records, price_upload, price_version, rules, sku
from qucheng.commission import plan_draft
from qucheng.core import audit, clock, crypto, db, exports, task
from qucheng.identity import api_key, notification, webhook_endpoint
from qucheng.identity import invitation as invitations
from qucheng.network import admission, agreement, application, compliance_report, portal_text, tier
from qucheng.orders import sale
from qucheng.risk import alert
from qucheng.risk import queries as risk
from qucheng.risk import rules as risks
from qucheng.settlement import adjustment, dispute, document_chunk, document_folder, document_store, plan_simulation, run
from qucheng.stock import generate, pool

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand

# by the beginning of the path, for one name means different things in different places; the last that fits decides
Values = dict[str, dict[str, str]]


def values(found: Values, path: str) -> dict[str, str]:
    merged: dict[str, str] = {}
    for beginning in sorted(found, key=len):
        if path.startswith(beginning):
            merged |= found[beginning]
    return merged


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """holder: whose session and export it is; sender: an owner of the brand; maker: who asks for what others decide."""

    reseller: str
    holder: uuid.UUID
    sender: uuid.UUID
    maker: uuid.UUID


async def made(owner: asyncpg.Connection, keys: crypto.Keys, brand: Brand, var: Path, cast: Cast) -> Values:
    reseller, holder, sender = cast.reseller, cast.holder, cast.sender
    number, statement_no, period = await owner.fetchrow(
        "SELECT number, statement_no, period FROM statement WHERE brand_id = $1 AND reseller = $2", brand.id, reseller
    )
    await _papers(brand, var / "documents", period, number)
    operator = await people.member(keys, audit.PLATFORM, "operator")
    helper = await people.member(keys, brand.id, "support")
    owners = people.principal(sender, brand.id, "owner")
    seller = await people.member(keys, brand.id, "seller", reseller=reseller)
    admin = await people.member(keys, brand.id, "admin", reseller=reseller)
    return {
        "": {
            "session_id": str(await owner.fetchval("SELECT id FROM session WHERE user_id = $1", holder)),
            "order_no": "K-R-own-1",
            "reservation_id": await _reserved(owner, brand, reseller),
            "statement_no": statement_no,
            "position": "1",
            "kind": "csv",
            "form": "csv",
            "code": reseller,
            "membership_id": str(await people.role_of(helper.user_id, brand.id)),
            "invitation_id": await _invited(keys, owners, brand.id, "support"),
            "upload_id": await _uploaded(owner, brand.id, sender),
            "export_id": await _exported(owner, brand.id, var, holder),
            "dispute_id": str(
                await dispute.open_(
                    brand_id=brand.id,
                    reseller=reseller,
                    period=period,
                    number=number,
                    position=1,
                    reason="the price was another",
                    actor=people.actor(admin),
                )
            ),
            "key_id": await _key(keys, brand.id, sender),
            "approval_id": await _asked(brand, cast),
            "notification_id": await _told(owner, brand.id, holder),
            "text_id": await _text(brand, owners),
            "version": "0",
            "path": "app.css",
            **{name: str(uuid.uuid4()) for name in ("payment_id", "charge_id")},
            "provider": "simulator",
        },
        "/runs": {"code": (await run.listing(brand=brand))[0].period.strftime(f"{brand.code}-%Y%m-1"), "number": "1"},
        **await _applied(keys, brand, people.principal(cast.maker, brand.id, "manager")),
        "/plans": await _planned(brand, cast),
        "/webhooks": await _hooked(keys, brand.id, sender),
        "/risks": {"alert_id": await _alerted(brand, reseller)},
        "/products": await _goods(brand, sender),
        "/portal/products": {"code": "card"},
        "/portal/links": {"link_id": await _linked(owner, brand, reseller), "kind": "svg"},
        "/portal/sell": {"order_no": await _sold(brand, reseller, seller)},
        "/api/v1/skus": {"code": await _own_product(brand, sender)},
        "/channels": {"code": "own-shop"},
        "/tiers": {"code": "own-tier"},
        **await _stocked(keys, brand, sender) | await pool_objects.made(owner, brand, reseller, admin),
        **await store_objects.made(keys, brand, reseller, sender),
        "/prices": await _priced(brand, var, sender),
        "/brands": {"code": brand.code, "invitation_id": await _first_owner(owner, keys, brand.id)},
        "/portal/team": {
            "membership_id": str(await people.role_of(seller.user_id, brand.id)),
            "invitation_id": await _invited(keys, admin, brand.id, "seller", reseller),
        },
        "/operators": {
            "membership_id": str(await people.role_of(operator.user_id, audit.PLATFORM)),
            "invitation_id": await _invited(keys, operator, audit.PLATFORM, "operator"),
        },
    }


async def _linked(owner: asyncpg.Connection, brand: Brand, reseller: str) -> str:
    made = await owner.fetchval(
        "INSERT INTO sales_link (brand_id, id, code, name, reseller, channel, created_at) VALUES ($1, $2, $3, 'own-link', $4, 'web', now()) RETURNING id",
        brand.id,
        uuid.uuid4(),
        "0" * 15 + "k",
        reseller,
    )
    return str(made)


async def _sold(brand: Brand, reseller: str, seller: permissions.Principal) -> str:
    """By hand, at no price: the channel only flags it."""
    line = sale.LineIn(line_no="1", sku="card", quantity=1, gross_minor=10_000)
    made = await sale.place(
        brand=brand, order_no="M20260315-0000000000", lines=[line], reseller=reseller, channel="web", source="manual",
        actor=people.actor(seller), now=clock.now(),
    )  # fmt: skip
    return made.order_no


async def _reserved(owner: asyncpg.Connection, brand: Brand, reseller: str) -> str:
    """For an hour, of nothing: whose it is is what is asked."""
    async with db.atomic(brand.id):
        place = await pool.pool_of(reseller=reseller, channel="web")
    made = uuid.uuid4()
    await owner.execute(
        "INSERT INTO reservation (brand_id, id, reseller, channel, sku, units, pool, made_at, until)"
        " VALUES ($1, $2, $3, 'web', 'card', 1, $4, now(), now() + interval '1 hour')",
        *(brand.id, made, reseller, place),
    )
    return str(made)


async def _alerted(brand: Brand, reseller: str) -> str:
    """Something that stands out, of the reseller."""
    now = clock.now()
    day = now - dt.timedelta(days=1)
    found = risks.Finding(
        rule="sales.outlier", subject=reseller, reseller=reseller, starts_at=day, ends_at=now, evidence={"net_minor": 1}
    )
    await alert.keep(brand_id=brand.id, found=[found], limits=None, now=now)
    page = await risk.page(brand_id=brand.id, chosen=risk.Chosen(), size=1)
    return str(page.alerts[0].id)


async def _text(brand: Brand, who: permissions.Principal) -> str:
    """A text to resellers, and the network's reports of the months before."""
    await compliance_report.make(brand=brand, now=clock.now())
    day = dt.date(2026, 2, 1)
    words = portal_text.Words(kind="help", title_en="Refunds", body_en="A refund takes its commission back.", starts_on=day)
    return str(await portal_text.publish(brand=brand, words=words, today=day, actor=people.actor(who)))


async def _applied(keys: crypto.Keys, brand: Brand, who: permissions.Principal) -> Values:
    """An agreement in force, and somebody who has applied."""
    now = clock.now()
    day = now.astimezone(zoneinfo.ZoneInfo(brand.time_zone)).date()
    actor = people.actor(who)
    await agreement.publish(brand_id=brand.id, **desk.TEXTS, effective_on=day, day=day, actor=actor, now=now)
    current = await agreement.in_force(brand_id=brand.id, day=day)
    assert current is not None
    made = []
    for number in (desk.NUMBER, "E1234567"):
        document = "cn-id" if number == desk.NUMBER else "other"
        made.append(
            await application.submit(
                keys=keys, brand=brand, form=desk.form(current, document=document, number=number), address="198.51.100.7",
                locale="en", day=day, actor=desk.APPLICANT, now=now,
            )
        )  # fmt: skip
    chosen = desk.chosen("R-new", joined_on=day)
    await admission.approve(
        keys=keys, principal=who, brand=brand, application_id=made[1], chosen=chosen, day=day, actor=actor, now=now
    )
    return {
        "/applications": {"application_id": str(made[0])},
        "/join": {"brand_code": brand.code},
        "/enter": {"brand_code": brand.code},
        "/claim": {"brand_code": brand.code, "offer_code": "own-offer"},
        "/wallet": {"brand_code": brand.code, "card_id": "1-1"},
        # the other brand has resellers of the same codes as those that came with the delivery
        "/resellers/": {"code": chosen.code},
        "/resellers/agreements": {"number": "1"},
    }


async def _priced(brand: Brand, var: Path, sender: uuid.UUID) -> dict[str, str]:
    """A draft of prices, and a file that waits to be taken into it."""
    actor = people.actor(people.principal(sender, brand.id, "owner"))
    number = await price_version.open_draft(brand_id=brand.id, actor=actor, now=clock.now())
    row = price_records.RowIn(row=2, sku="card", channel="", tier="", price="10", starts_on="2026-03-01", ends_on="")
    file_id = await price_upload.keep(
        folder=var / price_upload.FOLDER, brand_id=brand.id, file_name="p.csv", rows=[row], sent_by=sender, now=clock.now()
    )
    return {"number": str(number), "file_id": str(file_id)}


async def _stocked(keys: crypto.Keys, brand: Brand, sender: uuid.UUID) -> Values:
    """A batch of one card, of a product that no other brand has."""
    actor = people.actor(people.principal(sender, brand.id, "owner"))
    async with db.atomic(brand.id):
        await db.connection().execute("UPDATE sku SET kind = 'card_secret' WHERE code = 'own-article'")
    number = await generate.make_now(brand=brand, keys=keys, sku="own-article", quantity=1, actor=actor, now=clock.now())
    card = {"card_id": f"{number}-1"}
    return {"/batches": {"number": str(number)}, "/cards": card, "/api/v1/cards": card, "/c/": {"link_code": crypto.token()}}


async def _goods(brand: Brand, sender: uuid.UUID) -> dict[str, str]:
    """A product with an image, a channel and a tier that no other brand has, and a file that waits to be applied."""
    actor = people.actor(people.principal(sender, brand.id, "owner"))
    facts = rules.Facts(name="own", category="own", list_price_minor=100)
    await sku.create(brand_id=brand.id, code="own-article", facts=facts, cost_minor=0, actor=actor, now=clock.now())
    await channel.create(brand_id=brand.id, code="own-shop", name="own", kind="agency", deviation="flag", actor=actor)
    await tier.create(brand_id=brand.id, code="own-tier", name="own", rank=9, actor=actor)
    for code in ("own-article", "card"):
        await image.put(brand_id=brand.id, sku=code, content=goods.png(), actor=actor, now=clock.now())
    import_id = await catalog_import.keep(
        brand=brand, file_name="p.csv", content=b"code,name\ncard,x\n", actor=actor, now=clock.now()
    )
    return {"code": "own-article", "import_id": str(import_id)}


async def _own_product(brand: Brand, sender: uuid.UUID) -> str:
    """One whose code the other brand has not."""
    actor, code = people.actor(people.principal(sender, brand.id, "owner")), "K-only"
    facts = rules.Facts(name="of this brand alone", category="video", list_price_minor=100)
    await sku.create(brand_id=brand.id, code=code, facts=facts, cost_minor=0, actor=actor, now=clock.now())
    return code


async def _hooked(keys: crypto.Keys, brand_id: uuid.UUID, sender: uuid.UUID) -> dict[str, str]:
    """An endpoint, and a test event on its way there."""
    actor = people.actor(people.principal(sender, brand_id, "owner"))
    issued = await webhook_endpoint.create(
        keys=keys, brand_id=brand_id, url="https://hooks.example.com/", kinds=["order.paid"], allowed=(), created_by=sender,
        actor=actor, now=clock.now(),
    )  # fmt: skip
    event = await webhook_endpoint.test(brand_id=brand_id, endpoint_id=issued.id, actor=actor)
    return {"endpoint_id": str(issued.id), "event": str(event)}


async def _key(keys: crypto.Keys, brand_id: uuid.UUID, sender: uuid.UUID) -> str:
    issued = await api_key.create(
        keys=keys, brand_id=brand_id, name="key of a test", mode="live", reseller=None, scopes={"orders.read"}, networks=[],
        expires_at=clock.now() + dt.timedelta(days=7), created_by=sender, actor=audit.SYSTEM, now=clock.now(),
    )  # fmt: skip
    return str(issued.id)


async def _asked(brand: Brand, cast: Cast) -> str:
    """An adjustment that waits for somebody else."""
    who = people.principal(cast.maker, brand.id, "manager")
    return str(
        await adjustment.request(
            brand=brand, principal=who, reseller=cast.reseller, amount_minor=100, reason_code="correction", reference="K-R-own-1",
            note="agreed by telephone", actor=people.actor(who), now=clock.now(),
        )
    )  # fmt: skip


async def _planned(brand: Brand, cast: Cast) -> dict[str, str]:
    """A draft of a plan, and a simulation that was asked for."""
    actor, month = people.actor(people.principal(cast.maker, brand.id, "manager")), dt.date(2026, 2, 1)
    draft = await plan_draft.open_draft(brand=brand, actor=actor, now=clock.now())
    asked = await plan_simulation.request(
        brand=brand, number=draft.version.number, first=month, last=month, actor=actor, now=clock.now()
    )
    return {"number": str(draft.version.number), "simulation_id": str(asked)}


async def _told(owner: asyncpg.Connection, brand_id: uuid.UUID, holder: uuid.UUID) -> str:
    values = {"version": 1, "effective_on": "2026-12-01"}
    assert await notification.tell(brand_id=brand_id, kind="plan.published", subject="1", values=values, to=[holder]) == 1
    return str(await owner.fetchval("SELECT id FROM notification WHERE user_id = $1 AND kind = 'plan.published'", holder))


async def _uploaded(owner: asyncpg.Connection, brand_id: uuid.UUID, sender: uuid.UUID) -> str:
    """A delivery with a row that was refused."""
    upload_id, now = str(uuid.uuid4()), clock.now()
    row = {"brand_id": brand_id, "id": upload_id, "kind": "orders", "file_name": "orders.csv", "bytes": 9, "sha256": "0" * 64}
    sent = {"uploaded_by": sender, "uploaded_at": now, "state": "done", "task": uuid.uuid4(), "judged_at": now, "ended_at": now}
    of_it = {"brand_id": brand_id, "upload": upload_id, "file": "orders.csv"}
    await books.insert(owner, "upload", {**row, **sent})
    await books.insert(owner, "upload_file", {**of_it, "rows": 1, "imported": 0, "duplicate": 0, "rejected": 1})
    await books.insert(owner, "upload_rejection", {**of_it, "source_row": 1, "fault": "ref.unknown:sku"})
    return upload_id


async def _exported(owner: asyncpg.Connection, brand_id: uuid.UUID, var: Path, holder: uuid.UUID) -> str:
    """A file that is there to be taken by who asked for it."""
    actor = audit.Actor(user_id=holder, role="auditor", network=people.HERE, request_id=None)
    export_id = await exports.request(
        brand_id=brand_id, kind="journal.export", queue="rest", permission="journal.export", parameters={}, file_name="journal.csv",
        rows=1, actor=actor, now=clock.now(),
    )  # fmt: skip
    wanted = await owner.fetchval("SELECT task FROM export_file WHERE id = $1", export_id)
    taken = await task.claim(wanted, worker=uuid.uuid4(), kinds=["journal.export"])
    assert taken is not None
    async with exports.written(work=task.Work(taken), folder=var / exports.FOLDER, now=clock.now()) as path:
        path.write_text("entry\n", encoding="utf-8")
    return str(export_id)


async def _first_owner(owner: asyncpg.Connection, keys: crypto.Keys, brand_id: uuid.UUID) -> str:
    """An invitation as it was before the brand had its owners."""
    row = await books.row(owner, "SELECT * FROM invitation WHERE brand_id = $1 AND role = 'support'", brand_id)
    made = str(uuid.uuid4())
    sealed = keys.seal(b"first-owner@example.com", place=f"invitation.login/{made}")
    hashes = {"token_hash": crypto.token_hash(crypto.token()), "login_hash": crypto.token_hash(made), "login_cipher": sealed}
    first = {**row, "id": made, "role": "owner", **{name: f"\\x{value.hex()}" for name, value in hashes.items()}}
    await books.insert(owner, "invitation", first)
    return made


async def _invited(
    keys: crypto.Keys, sender: permissions.Principal, brand_id: uuid.UUID, role: permissions.Role, reseller: str | None = None
) -> str:
    return str(
        await invitations.invite(
            keys=keys,
            principal=sender,
            brand_id=brand_id,
            login=f"invited-{crypto.token()[:8].lower().strip('-_')}@example.com",
            role=role,
            reseller=reseller,
            locale="en",
            actor=people.actor(sender),
            now=clock.now(),
        )
    )


async def _papers(brand: Brand, folder: Path, period: dt.date, number: int) -> None:
    """The statement's rows as a file; the other formats take a renderer and say nothing more about who may have them."""
    async with db.atomic(brand.id):
        await document_store.freeze(brand=brand, period=period, first=number, last=number)
    ((_, item, wrong),) = await document_chunk.read(brand=brand, period=period, numbers=[number])
    assert wrong is None
    where = document_folder.place(folder, brand, period)
    document_folder.prepare(where, [item.statement_no])
    document_folder.write(where, f"{item.statement_no}.csv", item.lines_csv)
    file = document_chunk.File(number, "csv", hashlib.sha256(item.lines_csv).hexdigest(), len(item.lines_csv), None)
    async with db.atomic(brand.id):
        await document_chunk.record(period=period, files=[file], now=clock.now())
