"""The catalogue of the demonstration: what each product is, how long it holds, tags, a package, and small images that are drawn here."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from qucheng.catalog import bulk, image, queries, rules, sku
from qucheng.core import audit

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    from qucheng.identity.brand import Brand

MOST = 200
# by the first letters of a code: kind, days of validity, from when commission is held
_SORTS: Final[dict[str, tuple[rules.Kind, int | None, rules.HoldFrom]]] = {
    "AV": ("membership", 30, "delivered"),
    "FD": ("discount", 180, "redeemed"),
    "TR": ("discount", 90, "redeemed"),
    "SC": ("card_secret", 1095, "delivered"),
    "FU": ("card_secret", 1095, "delivered"),
    "TC": ("top_up", None, "delivered"),
    "GM": ("card_secret", 365, "delivered"),
    "ED": ("membership", 365, "delivered"),
    "ST": ("membership", 30, "delivered"),
    "MU": ("membership", 30, "delivered"),
    "CF": ("discount", 180, "redeemed"),
    "HK": ("discount", 180, "redeemed"),
    "RD": ("discount", 90, "redeemed"),
    "HT": ("discount", 90, "redeemed"),
    "GR": ("card_secret", 365, "delivered"),
}
_YEARS: Final = {"AV-03": 365, "AV-05": 365, "AV-07": 365, "AV-02": 90, "AV-08": 90, "ST-12": 365}
_FACES: Final = {"FD-01": 3000, "FD-03": 5000, "FD-05": 10000, "FD-07": 20000, "SC-01": 10000, "SC-02": 20000, "SC-03": 50000,
                 "FU-01": 20000, "FU-02": 50000, "FU-03": 100_000, "TC-01": 3000, "TC-02": 5000, "TC-03": 10000, "TC-04": 20000,
                 "CF-10": 1000, "CF-25": 2500, "HK-20": 2000, "GR-50": 5000}  # fmt: skip
_TAGS: Final = {
    "zh": (
        ("热卖", ("AV-01", "FD-01", "FD-02", "TC-03")),
        ("节日礼赠", ("SC-02", "SC-03", "FD-08")),
        ("企业采购", ("FU-02", "SC-03")),
    ),
    "en": (("Bestseller", ("ST-01", "CF-10")), ("Gift", ("GR-50", "CF-25"))),
}
_RULES: Final = {
    "discount": ("每单限用一张，不找零，不与店内其他优惠同用。", "One for each order, no change given, not with other offers."),
    "top_up": ("充值成功后不退不换，到账以运营商短信为准。", "No refund once it has arrived; the carrier's message counts."),
    "membership": (
        "兑换后立即生效，时长与已有会员叠加。",
        "It begins when it is taken up, and is added to a membership that runs.",
    ),
}
# code, name, category, price and cost, parts
_PACKAGES: Final = {
    "zh": ("GB-01", "周末双人礼包", "权益包", 8900, 7000, (("AV-01", 1, 250_000), ("FD-02", 2, 450_000), ("FD-04", 2, 300_000))),
    "en": (
        "BX-01",
        "Weekend for two",
        "Bundles",
        3900,
        3200,
        (("CF-10", 2, 500_000), ("ST-01", 1, 300_000), ("MU-01", 1, 200_000)),
    ),
}
_COLOURS: Final = {"membership": 0x2F6F63, "discount": 0xB86A2B, "card_secret": 0x3C5A8A, "top_up": 0x6B4C8A, "package": 0x8A3C4F}
_PICTURE: Final = (240, 150)


async def fill(*, brand: Brand, manager: uuid.UUID, now: dt.datetime) -> None:
    """manager: who says it all. What was said of a product before is left alone."""
    actor = audit.Actor(user_id=manager, role="manager")
    words = "zh" if brand.locale.startswith("zh") else "en"
    found = (await queries.skus(brand_id=brand.id, chosen=queries.Chosen(kind="other"), most=MOST)).rows
    for row in found:
        await _describe(brand, row.code, actor, now)
    if found:
        await _pack(brand, words, actor, now)
        for tag, codes in _TAGS[words]:
            await bulk.change(brand_id=brand.id, codes=codes, deed="tag_add", value=tag, actor=actor, now=now)


async def _describe(brand: Brand, code: str, actor: audit.Actor, now: dt.datetime) -> None:
    sort = _SORTS.get(code[:2])
    if sort is None:
        return
    kind, days, hold_from = sort
    chinese, english = _RULES.get(kind, (None, None))
    changes = sku.Changes(
        kind=kind,
        valid_days=_YEARS.get(code, days),
        hold_from=hold_from,
        face_value_minor=_FACES.get(code),
        rules_zh=chinese,
        rules_en=english,
    )
    await sku.change(brand_id=brand.id, code=code, seen=None, changes=changes, actor=actor, now=now)
    if code.endswith(("-01", "-10", "-12")):
        await image.put(brand_id=brand.id, sku=code, content=_picture(_COLOURS[kind]), actor=actor, now=now)


async def _pack(brand: Brand, words: str, actor: audit.Actor, now: dt.datetime) -> None:
    """Where its parts are there and it is not."""
    code, name, category, price_minor, cost_minor, parts = _PACKAGES[words]
    there = await queries.whole(brand_id=brand.id, codes=[code, *(part for part, _, _ in parts)])
    if code in there or len(there) < len(parts):
        return
    facts = rules.Facts(
        name=name,
        category=category,
        list_price_minor=price_minor,
        kind="package",
        valid_days=30,
        hold_from="delivered",
        parts=tuple(rules.Part(sku=part, quantity=quantity, share_ppm=share) for part, quantity, share in parts),
    )
    await sku.create(brand_id=brand.id, code=code, facts=facts, cost_minor=cost_minor, actor=actor, now=now)
    await image.put(brand_id=brand.id, sku=code, content=_picture(_COLOURS["package"]), actor=actor, now=now)


def _picture(colour: int) -> bytes:
    """A card in one colour, with a paler band across it."""
    width, height = _PICTURE
    dark = colour.to_bytes(3, "big")
    pale = bytes(min(255, part + 48) for part in dark)
    rows = b"".join(b"\0" + (pale if height * 3 < row * 5 < height * 4 else dark) * width for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
