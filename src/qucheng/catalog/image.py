"""Images of SKUs: one each, kept as it was sent, once it has been seen to be one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

import msgspec

from qucheng.catalog import pictures, queries
from qucheng.core import audit, db, errors

if TYPE_CHECKING:
    import datetime as dt
    import uuid

REPLACE = (
    "INSERT INTO sku_image (brand_id, sku, sha256, kind, width, height, bytes, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)


class ImageUnknownError(errors.RefusedError):
    code: ClassVar[str] = "image.unknown"
    status: ClassVar[int] = 404


class ImageUnfitError(errors.RefusedError):
    """No image of a kind that is taken, or too large a one."""

    code: ClassVar[str] = "image.unfit"
    status: ClassVar[int] = 422


class Stored(msgspec.Struct, frozen=True):
    bytes: bytes  # noqa: A003 - what it is
    kind: str
    sha256: str


async def put(*, brand_id: uuid.UUID, sku: str, content: bytes, actor: audit.Actor, now: dt.datetime) -> str:
    """In the place of the one that there was. Returns its hash. Raises SkuUnknownError and ImageUnfitError."""
    shape = pictures.shape(content) if len(content) <= pictures.LARGEST else None
    if shape is None or max(shape.width, shape.height) > pictures.MOST_PIXELS_A_SIDE:
        raise ImageUnfitError("An image is a PNG, JPEG or WebP of at most 1 MB and 4096 pixels a side.")
    digest = hashlib.sha256(content).hexdigest()
    async with db.atomic(brand_id):
        before = await _locked(brand_id, sku)
        if before == digest:
            return digest
        await db.connection().execute("DELETE FROM sku_image WHERE sku = $1", sku)
        await db.connection().execute(REPLACE, brand_id, sku, digest, shape.kind, shape.width, shape.height, content, now)
        await _record(brand_id, sku, before, digest, actor)
    return digest


async def remove(*, brand_id: uuid.UUID, sku: str, actor: audit.Actor) -> None:
    """Where there is none, nothing. Raises SkuUnknownError."""
    async with db.atomic(brand_id):
        before = await _locked(brand_id, sku)
        if before is not None:
            await db.connection().execute("DELETE FROM sku_image WHERE sku = $1", sku)
            await _record(brand_id, sku, before, None, actor)


async def _locked(brand_id: uuid.UUID, sku: str) -> str | None:
    """The hash of the image that there is; whoever changes it waits for the SKU."""
    if sku not in await queries.whole(brand_id=brand_id, codes=[sku] if "\0" not in sku else [], locked=True):
        raise queries.SkuUnknownError(f"There is no SKU {sku}.")
    found: str | None = await db.connection().fetchval("SELECT sha256 FROM sku_image WHERE sku = $1", sku)
    return found


async def _record(brand_id: uuid.UUID, sku: str, before: str | None, after: str | None, actor: audit.Actor) -> None:
    await audit.record(
        brand_id=brand_id, actor=actor, action="sku.image", subject=sku, before={"image": before}, after={"image": after}
    )


async def read(*, brand_id: uuid.UUID, sku: str, reseller: str | None = None) -> Stored:
    """reseller: read with its rights. Raises ImageUnknownError."""
    async with db.atomic(brand_id, reseller=reseller):
        row = (
            await db.connection().fetchrow("SELECT bytes, kind, sha256 FROM sku_image WHERE sku = $1", sku)
            if "\0" not in sku
            else None
        )
    if row is None:
        raise ImageUnknownError(f"The SKU {sku} has no image.")
    return Stored(**dict(row))
