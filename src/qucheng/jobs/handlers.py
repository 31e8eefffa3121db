"""What each kind of task calls."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self, TypeAlias

from qucheng.bundle import papers, upload
from qucheng.campaigns import consumer
from qucheng.catalog import price_export, sku_export
from qucheng.commission import accrual, plan_publish
from qucheng.connectors import mail
from qucheng.core import audit, audit_heads, clock, crypto, exports, idempotency, letter, task
from qucheng.identity import (
    api_key,
    approval,
    notification,
    notification_mail,
    password_reset,
    session,
    trail,
    user,
    webhook_delivery,
)
from qucheng.identity import brand as brands
from qucheng.insight import analytics_export, anomalies, books, evidence
from qucheng.jobs import cards, notices, payments, redemption, stock
from qucheng.ledger import export
from qucheng.network import application, compliance_report
from qucheng.network import queries as network_queries
from qucheng.orders import intake
from qucheng.redemption import digits, redemption_export
from qucheng.settlement import advance, document_store, plan_certificate, plan_simulation, publication, statement_export
from qucheng.stock import batch, text_message, watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qucheng.core.settings import Settings
    from qucheng.identity.brand import Brand
    from qucheng.settlement.document_pool import Renderer

    Handler: TypeAlias = Callable[[task.Work, "Tools"], Awaitable[None]]

TASKS_KEPT_DAYS = 30


class Tools:
    """What tasks need besides the database; the renderer's processes start when the first document is asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = contextlib.ExitStack()
        self._renderer: Renderer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def renderer(self) -> Renderer:
        """Raises PdfEngineMissingError where this machine can make no PDF."""
        if self._renderer is None:
            self._renderer = self._stack.enter_context(papers.renderer(self.settings))
        return self._renderer


async def _brand(work: task.Work) -> Brand:
    if work.task.brand_id is None:
        raise brands.BrandUnknownError(f"A task of the kind {work.task.kind} is a brand's, and this one names none.")
    return await brands.read(work.task.brand_id)


async def accrue(work: task.Work, _: Tools) -> None:
    await accrual.catch_up(work=work, brand_id=(await _brand(work)).id)


async def sweep_orders(_: task.Work, __: Tools) -> None:
    for brand_id, _code in await brands.every():
        await accrual.sweep(brand_id=brand_id)
    await intake.forget()


async def settle(work: task.Work, _: Tools) -> None:
    await advance.settle(work=work, brand=await _brand(work), now=clock.now())


async def issue(work: task.Work, _: Tools) -> None:
    await advance.issue(work=work, brand=await _brand(work), now=clock.now())


async def render(work: task.Work, tools: Tools) -> None:
    brand = await _brand(work)
    await document_store.render(
        work=work,
        brand=brand,
        folder=tools.settings.documents,
        pool=tools.renderer(),
        now=(now := clock.now()),
        finishing=lambda period: publication.when_complete(brand=brand, period=period, now=now),
    )


async def archive(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await statement_export.write_archive(
        work=work, brand=await _brand(work), documents=tools.settings.documents, folder=folder, now=clock.now()
    )


async def list_statements(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await statement_export.write_list(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def list_resellers(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await network_queries.make(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def check_books(work: task.Work, _: Tools) -> None:
    await books.check_all(work=work, now=clock.now())


async def prune(_: task.Work, tools: Tools) -> None:
    now, var = clock.now(), tools.settings.var
    await task.prune(days=TASKS_KEPT_DAYS)
    await user.prune_attempts(now=now)
    await session.prune(now=now)
    await password_reset.prune(now=now)
    await letter.prune(now=now)
    for brand_id, _code in await brands.every():
        await approval.expire(brand_id=brand_id)
        await api_key.prune(brand_id=brand_id, now=now)
        await application.prune(brand_id=brand_id)
        await idempotency.prune(brand_id=brand_id, now=now)
        await notification.prune(brand_id=brand_id, now=now)
        await webhook_delivery.prune(brand_id=brand_id, now=now)
        await consumer.prune(brand_id=brand_id, now=now)
        await digits.prune(brand_id=brand_id, now=now)
        await text_message.prune(brand_id=brand_id, now=now)
        await upload.prune(brand_id=brand_id, folder=var / upload.FOLDER, now=now)
        await exports.prune(brand_id=brand_id, folder=var / exports.FOLDER, now=now)
    cards.prune(tools)
    await notification.prune(brand_id=audit.PLATFORM, now=now)
    await exports.prune(brand_id=audit.PLATFORM, folder=var / exports.FOLDER, now=now)


async def send_mail(work: task.Work, tools: Tools) -> None:
    current = tools.settings
    post = mail.chosen(mail_url=current.mail_url, folder=current.var / "outbox")
    await mail.deliver(
        work,
        post=post,
        keys=crypto.keys(current.var / "keys"),
        sender=current.mail_from,
        public_url=current.address,
        now=clock.now(),
    )


async def send_notices(work: task.Work, tools: Tools) -> None:
    await notices.send(work, tools.settings, tools.settings.address)


async def seal_audit(_: task.Work, tools: Tools) -> None:
    await audit.seal_all()
    audit_heads.keep(tools.settings.var / "audit", await audit.heads())


async def take_in(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / upload.FOLDER
    await upload.take_in(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def export_books(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await export.make(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def export_audit(work: task.Work, tools: Tools) -> None:
    folder, keys = tools.settings.var / exports.FOLDER, crypto.keys(tools.settings.var / "keys")
    await trail.make(work=work, keys=keys, folder=folder, now=clock.now())


async def report_network(_: task.Work, __: Tools) -> None:
    await compliance_report.make_all(now=clock.now())


async def pack_evidence(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await evidence.make(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def export_prices(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await price_export.make(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def export_products(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await sku_export.make(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def simulate_plan(work: task.Work, _: Tools) -> None:
    await plan_simulation.simulate(work=work, brand=await _brand(work))


async def certify_plan(work: task.Work, tools: Tools) -> None:
    keys = crypto.keys(tools.settings.var / "keys")
    await plan_certificate.make(work=work, brand=await _brand(work), keys=keys, now=clock.now())


async def export_analytics(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await analytics_export.make(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def export_redemptions(work: task.Work, tools: Tools) -> None:
    folder = tools.settings.var / exports.FOLDER
    await redemption_export.make(work=work, brand=await _brand(work), folder=folder, now=clock.now())


async def scan_risks(_: task.Work, __: Tools) -> None:
    await anomalies.scan_all(now=clock.now())


async def follow_payments(_: task.Work, tools: Tools) -> None:
    await payments.follow(tools.settings)


HANDLERS: dict[str, Handler] = {
    payments.FOLLOW: follow_payments,
    **cards.HANDLERS,
    **redemption.HANDLERS,
    intake.ACCRUE: accrue,
    "orders.sweep": sweep_orders,
    advance.SETTLE: settle,
    advance.ISSUE: issue,
    "document.render": render,
    statement_export.ARCHIVE: archive,
    statement_export.LIST: list_statements,
    network_queries.LIST: list_resellers,
    "books.check": check_books,
    "nightly.prune": prune,
    letter.SEND: send_mail,
    notification_mail.SEND: send_notices,
    "audit.seal": seal_audit,
    upload.TAKE_IN: take_in,
    export.JOURNAL: export_books,
    sku_export.KIND: export_products,
    export.TRIAL_BALANCE: export_books,
    price_export.KIND: export_prices,
    trail.EXPORT: export_audit,
    compliance_report.TASK: report_network,
    evidence.PACK: pack_evidence,
    analytics_export.KIND: export_analytics,
    redemption_export.KIND: export_redemptions,
    anomalies.KIND: scan_risks,
    plan_simulation.KIND: simulate_plan,
    plan_publish.CERTIFICATE: certify_plan,
    batch.RELEASE: stock.release,
    watch.SWEEP: stock.sweep,
    watch.WATCH: stock.look,
}
