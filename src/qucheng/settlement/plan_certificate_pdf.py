"""A certificate as PDF/A-3a with the plan word for word attached. The same document gives the same bytes.

Runs in a process of `document_pool.Renderer`, with the engine, the fonts and the styles of statements. It says everything in both
languages, so that it is one paper for whoever reads it.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import zoneinfo
from typing import TYPE_CHECKING, Any

import jinja2
import msgspec

from qucheng.core import money
from qucheng.settlement import document_fonts, document_pdf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qucheng.settlement.document_files import Format

PPM_DECIMALS = 4  # of a percentage
KINDS = {
    "percent": ("比例", "Share"),
    "per_unit": ("每件", "Per unit"),
    "graduated": ("自有销量分段", "Own volume, graduated"),
    "slab": ("自有销量分档", "Own volume, slab"),
}
BASES = {"net": ("实付额", "net"), "gross": ("折前额", "gross"), "margin": ("毛利", "margin"), "unit": ("件数", "units")}
LEVELS = {None: ("卖出者", "the seller"), 1: ("卖出者", "the seller"), 2: ("直接上游", "one above"), 3: ("再上游", "two above")}
CHANGES = {"kept": ("沿用", "kept"), "added": ("新增", "added"), "changed": ("更改", "changed")}
FILTERS = (("sku", "商品", "SKU"), ("category", "类目", "category"), ("channel", "渠道", "channel"), ("tier", "分级", "tier"))


def make(canonical: bytes, _: bytes, __: str | None, ___: tuple[Format, ...]) -> Mapping[Format, bytes]:
    """The work of a pool: the certificate of its canonical JSON."""
    return {"pdf": render(canonical)}


def render(canonical: bytes) -> bytes:
    tools, said = document_pdf.engine(), msgspec.json.decode(canonical)
    sha256 = hashlib.sha256(canonical).hexdigest()
    approved_at = dt.datetime.fromisoformat(said["approved_at"]).astimezone(dt.UTC)
    attachment = tools.weasyprint.Attachment(
        string=approved_document(said),
        name=f"{said['plan']['brand']}-plan-{said['plan']['version']}.json",
        description="The plan, canonical JSON",
        relationship="Data",
        created=approved_at,
        modified=approved_at,
        url_fetcher=tools.fetcher,
    )
    pdf: bytes = tools.parsed(html(said, sha256)).write_pdf(
        stylesheets=[tools.style, tools.weasyprint.CSS(string=_style(), url_fetcher=tools.fetcher)],
        font_config=tools.fonts,
        attachments=[attachment],
        finisher=_attachment_once,
        pdf_variant="pdf/a-3a",
        pdf_identifier=bytes.fromhex(sha256[:32]),
    )
    return pdf


def approved_document(said: dict[str, Any]) -> bytes:
    """What was approved, in the form whose hash was."""
    return msgspec.json.encode(said["plan"], order="sorted")


def html(said: dict[str, Any], sha256: str) -> str:
    plan = said["plan"]
    return _template().render(
        plan=plan,
        said=said,
        sha256=sha256,
        rules=[_rule(rule, plan) for rule in plan["rules"]],
        worst=_worst(plan["check"]["worst"], said["decimals"]),
        limit=percent(plan["policy"]["max_total_rate_ppm"]),
        submitted=_moment(said, "submitted_at"),
        approved=_moment(said, "approved_at"),
        printable=document_fonts.printable,
    )


def _rule(rule: dict[str, Any], plan: dict[str, Any]) -> dict[str, str]:
    filters = [(f"{zh} {rule[name]}", f"{en} {rule[name]}") for name, zh, en in FILTERS if rule[name] is not None]
    zh, en = ("、".join(pair[at] for pair in filters) if at == 0 else ", ".join(pair[at] for pair in filters) for at in (0, 1))
    starts_on = rule["starts_on"] if rule["change"] == "kept" else max(rule["starts_on"] or "", plan["effective_on"])
    return {
        "code": rule["code"],
        "change": _both(CHANGES[rule["change"]]) + (f" ← {rule['replaces']}" if rule["replaces"] else ""),
        "who": _both(LEVELS[rule["level"]]),
        "kind": _both(KINDS[rule["kind"]]),
        "on": f"{zh} · {en}" if filters else "全部 · all sales",
        "basis": _both(BASES[rule["basis"]]),
        "rate": _rate(rule),
        "dates": f"{starts_on or '…'} – {rule['ends_on'] or '…'}",
        "priority": str(rule["priority"]),
    }


def _rate(rule: dict[str, Any]) -> str:
    """Shares as percentages; money and brackets as they stand in the plan."""
    if rule["basis"] == "unit":
        return str(rule["rate"]).replace(";", "; ")
    if rule["kind"] == "percent":
        return percent(money.parse_plain(rule["rate"], 6))
    pairs = (pair.split(":") for pair in rule["rate"].split(";"))
    return "; ".join(f"≥ {start}: {percent(money.parse_plain(rate, 6))}" for start, rate in pairs)


def _worst(worst: dict[str, Any] | None, decimals: int) -> dict[str, str] | None:
    if worst is None:
        return None
    amounts = {name: money.format_display(worst[f"{name}_minor"], decimals) for name in ("price", "cost", "commission")}
    rate = percent(worst["rate_ppm"]) if worst["rate_ppm"] is not None else "—"
    return {
        **amounts,
        "rate": rate,
        **{name: str(worst[name]) for name in ("sku", "channel", "tier")},
        "rules": ", ".join(worst["rules"]),
    }


def percent(ppm: int) -> str:
    whole, _, fraction = money.format_plain(ppm, PPM_DECIMALS).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}{'.' if fraction else ''}{fraction} %"


def _both(pair: tuple[str, str]) -> str:
    return f"{pair[0]} {pair[1]}"


def _moment(said: dict[str, Any], name: str) -> str:
    local = dt.datetime.fromisoformat(said[name]).astimezone(zoneinfo.ZoneInfo(said["time_zone"]))
    return f"{local:%Y-%m-%d %H:%M:%S} {said['time_zone']}"


def _attachment_once(_: Any, pdf: Any) -> None:  # noqa: ANN401 - the engine has no types
    """The engine lists the associated file twice in the catalogue."""
    pdf.catalog["AF"] = type(pdf.catalog["AF"])(dict.fromkeys(pdf.catalog["AF"]))


@functools.cache
def _style() -> str:
    return document_pdf.template_text("certificate.css")


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(document_pdf.template_text("certificate.html"))
