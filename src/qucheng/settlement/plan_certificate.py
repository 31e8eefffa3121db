"""The certificate of a version of the plan: made once, when it has been approved, from what was frozen then, and kept for ever."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.commission import plan_version
from qucheng.core import db, errors
from qucheng.identity import approval as approvals
from qucheng.identity import user as users
from qucheng.settlement import document_pool, plan_certificate_pdf

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.commission.plan_version import Version
    from qucheng.core import crypto, task
    from qucheng.identity.brand import Brand

STORE = """
    INSERT INTO plan_certificate (brand_id, version, document, sha256, pdf, made_at) VALUES (current_brand(), $1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING"""
PROCESSES = 1


class CertificateFailedError(errors.RefusedError):
    """The paper could not be made: says why."""

    code: ClassVar[str] = "plan.certificate_failed"


def pool() -> document_pool.Renderer:
    """Its process makes certificates, and nothing else."""
    return document_pool.Renderer(processes=PROCESSES, work=plan_certificate_pdf.make)


async def make(*, work: task.Work, brand: Brand, keys: crypto.Keys, now: dt.datetime) -> None:
    """Does what plan_publish.execute() asked for."""
    version = await plan_version.read(brand=brand, number=int(work.task.subject["version"]))
    document = await describe(brand=brand, version=version, keys=keys)
    pdf = await asyncio.to_thread(render, document)
    async with work.finishing(brand.id):
        await db.connection().execute(STORE, version.number, document, hashlib.sha256(pdf).hexdigest(), pdf, now)


def render(document: str) -> bytes:
    """In a process of its own. Raises CertificateFailedError, PdfEngineMissingError."""
    with pool() as rendering:
        ((_, files),) = rendering.render_all([document_pool.Item("certificate", document.encode(), b"")])
    if isinstance(files, str):
        raise CertificateFailedError(files)
    return files["pdf"]


async def describe(*, brand: Brand, version: Version, keys: crypto.Keys) -> str:
    """Canonical JSON of everything on the paper. Raises CertificateNotReadyError where the version is not approved."""
    if version.state != "approved":
        raise plan_version.CertificateNotReadyError(f"Version {version.number} is {version.state}: it has no certificate.")
    said: dict[str, Any] = msgspec.json.decode(version.document or "{}")
    people = [each for each in (version.author, version.approver) if each is not None]
    named = await users.named(keys=keys, user_ids=people)
    return approvals.canonical(
        {
            "plan": said,
            "brand_name": brand.name,
            "time_zone": brand.time_zone,
            "decimals": brand.decimals,
            "sha256": version.sha256,
            "approval": version.approval,
            "author": _name(named, version.author),
            "approver": _name(named, version.approver),
            "submitted_at": version.submitted_at,
            "approved_at": version.approved_at,
        }
    )


def _name(named: dict[uuid.UUID, users.User], user_id: uuid.UUID | None) -> str:
    return named[user_id].name if user_id in named else str(user_id)
