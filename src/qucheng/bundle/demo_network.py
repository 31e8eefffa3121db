"""Who sells for the demo brand: sixty resellers, most on their own, some with a few shops or colleagues beside them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

from qucheng.bundle import demo_catalog as catalog
from qucheng.bundle import demo_chance

# name, kind (c: company, i: individual), number of the parent, tier, joined on, weight of sales, favourite category, w: buys wholesale
_RESELLERS: Final = f"""
澄屿信息科技有限公司|c||gold|2026-07-01|900|{catalog.AV}|w
望舟渠道服务有限公司|c||gold|2026-07-01|760|{catalog.FOOD}|w
合拾企业福利服务有限公司|c||gold|2026-07-02|640|{catalog.CARD}|w
栗子街数字商贸有限公司|c||gold|2026-07-02|520|{catalog.AV}|
南塘通讯器材经营部|c||silver|2026-07-03|430|{catalog.PHONE}|
橘洲车友服务部|c||silver|2026-07-03|360|{catalog.FUEL}|w
老树通讯营业厅|c||silver|2026-07-03|330|{catalog.PHONE}|
青榆礼品有限公司|c||silver|2026-07-04|300|{catalog.CARD}|w
半山咖啡生活馆|c||silver|2026-07-06|280|{catalog.FOOD}|
三更灯火网络科技有限公司|c||silver|2026-07-06|260|{catalog.GAME}|
小满便利店|c||base|2026-07-08|230|{catalog.FOOD}|
云栈数码商行|c||base|2026-07-08|210|{catalog.AV}|
星垂网络会所|c||base|2026-07-10|190|{catalog.GAME}|
松间客栈|c||base|2026-07-11|150|{catalog.TRIP}|
巷口文具店|c||base|2026-07-13|140|{catalog.STUDY}|
远山驾校服务部|c||base|2026-07-14|130|{catalog.FUEL}|
白露母婴生活馆|c||base|2026-07-15|120|{catalog.CARD}|
朝暮烟酒茶行|c||base|2026-07-16|110|{catalog.FOOD}|w
拾光影像工作室|c||base|2026-07-18|90|{catalog.AV}|
蓝门健身房|c||base|2026-07-20|80|{catalog.TRIP}|
林晓岚|i||gold|2026-07-01|640|{catalog.AV}|
陈泽（阿泽数码小铺）|i||gold|2026-07-01|540|{catalog.AV}|
周敏（团购群）|i||silver|2026-07-02|310|{catalog.FOOD}|
高一鸣|i||silver|2026-07-02|270|{catalog.GAME}|
苏婉清|i||silver|2026-07-03|240|{catalog.STUDY}|
许多多（多多优惠）|i||silver|2026-07-05|220|{catalog.FOOD}|
何立冬|i||base|2026-07-05|200|{catalog.FUEL}|
江月明|i||base|2026-07-06|180|{catalog.AV}|
方知远（校园代理）|i||base|2026-07-07|170|{catalog.STUDY}|
沈秋禾|i||base|2026-07-09|150|{catalog.FOOD}|
马跃（车友群）|i||base|2026-07-10|140|{catalog.TRIP}|
罗小满|i||base|2026-07-10|130|{catalog.AV}|
丁子衿|i||base|2026-07-12|120|{catalog.PHONE}|
唐棠|i||base|2026-07-12|110|{catalog.FOOD}|
贺兰|i||base|2026-07-15|100|{catalog.AV}|
陆长风|i||base|2026-07-17|90|{catalog.TRIP}|
温故|i||base|2026-07-19|80|{catalog.STUDY}|
梁小舟|i||base|2026-08-12|110|{catalog.AV}|
袁朗|i||base|2026-08-20|90|{catalog.FOOD}|
尹白|i||base|2026-09-07|80|{catalog.PHONE}|
澄屿校园店|c|1|base|2026-07-05|240|{catalog.AV}|
澄屿客服部小店|c|1|base|2026-07-05|160|{catalog.AV}|
程青（澄屿推广）|i|1|silver|2026-07-08|210|{catalog.AV}|
吴晚（澄屿推广）|i|1|base|2026-07-09|150|{catalog.STUDY}|
望舟一店|c|2|silver|2026-07-04|260|{catalog.FOOD}|
望舟二店|c|2|base|2026-07-04|180|{catalog.FOOD}|
白驹（望舟推广）|i|2|base|2026-07-12|140|{catalog.FOOD}|
合拾北区工作室|c|3|base|2026-07-06|200|{catalog.CARD}|
宋词|i|3|base|2026-07-21|100|{catalog.CARD}|
栗子街二号店|c|4|base|2026-07-08|170|{catalog.AV}|
谢小楼|i|4|base|2026-07-18|120|{catalog.AV}|
邱实|i|4|base|2026-08-17|100|{catalog.GAME}|
南塘站前店|c|5|base|2026-07-10|150|{catalog.PHONE}|
胡桃（半山咖啡店员）|i|9|base|2026-07-11|130|{catalog.FOOD}|
林晓岚（小岚生活馆）|i|21|base|2026-07-09|160|{catalog.AV}|
顾北|i|21|base|2026-07-22|110|{catalog.AV}|
韩松|i|22|base|2026-07-24|100|{catalog.GAME}|
姚瑶|i|23|base|2026-08-05|90|{catalog.FOOD}|
万里（校园代理）|i|29|base|2026-09-01|120|{catalog.STUDY}|
殷实|i|2|base|2026-10-10|90|{catalog.FOOD}|
"""

# reseller, parent (0: none), tier, from when on: moves between teams, and tiers agreed anew by contract
_PLACEMENTS: Final = (
    (57, 24, "base", "2026-09-01"),
    (45, 2, "gold", "2026-09-01"),
    (11, 0, "silver", "2026-09-15"),
    (51, 0, "base", "2026-10-01"),
    (23, 0, "gold", "2026-10-01"),
    (35, 21, "base", "2026-10-08"),
)

# the same legal person behind several resellers: shops of one company, and individuals who are one payee to the tax office
_SAME_PERSON: Final = {41: 1, 42: 1, 45: 2, 46: 2, 53: 5, 50: 4, 55: 21, 49: 37, 52: 32}
_NOT_YET_VERIFIED: Final = frozenset({34, 40, 58})


@dataclasses.dataclass(frozen=True)
class Reseller:
    number: int
    name: str
    kind: str
    parent: int
    tier: str
    joined_on: dt.date
    weight: int
    favourite: str
    is_dealer: bool

    @property
    def code(self) -> str:
        return code_of(self.number)

    @property
    def identity(self) -> str:
        person = _SAME_PERSON.get(self.number, self.number)
        return "" if self.number in _NOT_YET_VERIFIED else demo_chance.opaque("person", person)


@dataclasses.dataclass(frozen=True)
class Placement:
    reseller: int
    parent: int
    tier: str
    effective_on: dt.date


def code_of(number: int) -> str:
    return f"R{number:03}" if number else ""


def _skewed(weight: int) -> int:
    """A little more than the list says: a few resellers sell much, many sell little."""
    return weight * (500 + weight)


def _reseller(number: int, line: str) -> Reseller:
    name, kind, parent, tier, joined_on, weight, favourite, dealer = line.split("|")
    return Reseller(
        number=number,
        name=name,
        kind={"c": "company", "i": "individual"}[kind],
        parent=int(parent or 0),
        tier=tier,
        joined_on=dt.date.fromisoformat(joined_on),
        weight=_skewed(int(weight)),
        favourite=favourite,
        is_dealer=dealer == "w",
    )


RESELLERS: Final = tuple(_reseller(number, line) for number, line in enumerate(_RESELLERS.strip().splitlines(), start=1))
PLACEMENTS: Final = tuple(
    Placement(reseller, parent, tier, dt.date.fromisoformat(day)) for reseller, parent, tier, day in _PLACEMENTS
)


def place_on(reseller: Reseller, day: dt.date) -> tuple[int, str]:
    """Parent and tier on a day."""
    placed = [p for p in PLACEMENTS if p.reseller == reseller.number and p.effective_on <= day]
    return (placed[-1].parent, placed[-1].tier) if placed else (reseller.parent, reseller.tier)
