"""What a two-page statement costs in our pool, against plain WeasyPrint on the same HTML and styles: a ratio in one run.

    python scripts/benchmark/statements.py [--statements 40] [--lines 24]

Both sides run in a process of the same pool, one statement after the other, in turns. Ours is all that the pool does for a PDF:
reading the frozen JSON, verifying, the template, the layout, the attachments. The plain side is given the finished HTML and
takes a fresh font configuration for each statement, as WeasyPrint's documentation has it; both load the full font. Goal: at
least 1.2 times as many statements per core. --xlsx makes the workbook on our side too.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import hashlib
import io
import json
import os
import time
from typing import TYPE_CHECKING

import msgspec
import pypdf

from qucheng.core import money
from qucheng.settlement import document as documents
from qucheng.settlement import document_files, document_fonts, document_pdf, document_pool

if TYPE_CHECKING:
    from qucheng.settlement.document_files import Format

TURN = 5
"""Statements before it is the other's turn, so that what else the machine does meets both."""
PAGES = 2
SECONDS_OF = ("clock", "processor")


def ours(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    started = time.perf_counter(), time.process_time()
    made = document_files.make(canonical, lines_csv, public_url, formats)
    return {"pdf": made["pdf"], "csv": spent(started)}


def plain(canonical: bytes, lines_csv: bytes, public_url: str | None, formats: tuple[Format, ...]) -> document_pool.Files:
    del formats
    from weasyprint.text import fonts as text_fonts  # noqa: PLC0415 - it loads Pango, which this module's own process need not

    paper = msgspec.json.decode(canonical, type=documents.StatementDocument)
    engine, page = document_pdf.engine(), document_pdf.lay_out(paper, lines_csv, public_url)
    started = time.perf_counter(), time.process_time()
    fresh = text_fonts.FontConfiguration()
    sources = (document_pdf.style_source(), page.margins)
    styles = [engine.weasyprint.CSS(string=each, url_fetcher=engine.fetcher, font_config=fresh) for each in sources]
    parsed = engine.weasyprint.HTML(string=page.html, base_url=document_fonts.SCHEME, url_fetcher=engine.fetcher)
    pdf: bytes = parsed.write_pdf(stylesheets=styles, font_config=fresh, **page.options)
    return {"pdf": pdf, "csv": spent(started)}


def spent(started: tuple[float, float]) -> bytes:
    return json.dumps([time.perf_counter() - started[0], time.process_time() - started[1]]).encode()


def statement(number: int, lines: int) -> document_pool.Item:
    """A statement of so many sales; the rare character in the name is in the full font only."""
    first = dt.date(2026, 3, 1)
    sales = tuple(
        documents.Line(
            date=first + dt.timedelta(days=place * 31 // lines),
            kind="accrual",
            order=f"D{1_001_000_000 + number * 1000 + place}",
            line="1",
            refund=None,
            level=1,
            sku=f"SKU-{place % 8:04d}",
            sku_name=f"会员权益年卡 {place % 8}",
            quantity=1 + place % 5,
            net=(1 + place % 5) * 24_800,
            basis="net",
            basis_amount=(1 + place % 5) * 24_800,
            rate="0.1",
            amount=(1 + place % 5) * 2_480,
        )
        for place in range(lines)
    )
    attached = attachment(sales)
    total = sum(sale.amount for sale in sales)
    paper = documents.StatementDocument(
        brand_code="nanyu",
        brand_name="南屿权益科技有限公司",
        currency="CNY",
        decimals=2,
        time_zone="Asia/Shanghai",
        locale="zh-CN",
        reseller_code=f"R-{number:06d}",
        reseller_name="临江㛃选商行",
        reseller_kind="company",
        tier_name="金牌",
        statement_no=f"nanyu-202603-{number:06d}",
        period="2026-03",
        first_day=first,
        last_day=dt.date(2026, 3, 31),
        opening=0,
        accrued=total,
        reversed=0,
        bonus=0,
        adjustment=0,
        gross=total,
        payable=total,
        tax=0,
        net=total,
        carried=0,
        withholding=documents.Withholding(scheme="none"),
        hold_days=7,
        min_payout=0,
        max_depth=2,
        max_levels=1,
        counts=documents.Counts(accruals=lines, reversals=0, bonuses=0, adjustments=0),
        skus=skus(sales),
        skus_rest=documents.SkusRest(),
        bonuses=(),
        bonuses_rest=documents.Rest(),
        adjustments=(),
        adjustments_rest=documents.Rest(),
        lines=sales,
        days_rest=(),
        csv_sha256=hashlib.sha256(attached).hexdigest(),
    )
    return document_pool.Item(paper.statement_no, documents.canonical_json(paper), attached)


def skus(sales: tuple[documents.Line, ...]) -> tuple[documents.Sku, ...]:
    found = []
    for code, name in sorted({(sale.sku, sale.sku_name) for sale in sales}):
        own = [sale for sale in sales if sale.sku == code]
        figures = (sum(getattr(sale, field) for sale in own) for field in ("quantity", "net", "amount"))
        found.append(documents.Sku(code, name, len(own), *figures))
    return tuple(sorted(found, key=lambda each: (-each.commission, each.code)))


def attachment(sales: tuple[documents.Line, ...]) -> bytes:
    target = io.StringIO()
    writer = csv.DictWriter(target, documents.CSV_COLUMNS, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row, sale in enumerate(sales, 1):
        fields = msgspec.structs.asdict(sale)
        amounts = {name: money.format_plain(fields[name], 2) for name in ("net", "basis_amount", "amount")}
        moment = f"{sale.date}T01:00:00Z"
        writer.writerow(fields | amounts | {"row": row, "rule": "R-1", "refund": "", "occurred_at": moment, "matures_at": moment})
    return target.getvalue().encode()


def measure(items: list[document_pool.Item], formats: tuple[Format, ...]) -> dict[str, list[list[float]]]:
    """Seconds of each statement, by clock and processor, on both sides."""
    times: dict[str, list[list[float]]] = {"ours": [], "plain": []}
    with document_pool.Renderer(processes=1, work=ours) as left, document_pool.Renderer(processes=1, work=plain) as right:
        for name, pool in (("ours", left), ("plain", right)):
            render(pool, items[:1], formats)  # not counted: whatever is done but once
            say(f"{name} is ready")
        for start in range(0, len(items), TURN):
            for name, pool in (("ours", left), ("plain", right)):
                times[name] += render(pool, items[start : start + TURN], formats)
    return times


def render(pool: document_pool.Renderer, items: list[document_pool.Item], formats: tuple[Format, ...]) -> list[list[float]]:
    found = []
    for statement_no, files in pool.render_all(items, formats):
        if isinstance(files, str):
            raise SystemExit(f"{statement_no}: {files}")
        if (pages := len(pypdf.PdfReader(io.BytesIO(files["pdf"])).pages)) != PAGES:
            raise SystemExit(f"{statement_no} has {pages} pages and not {PAGES}: choose another number of lines")
        found.append(json.loads(files["csv"]))
    return found


def say(text: str) -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"[load {load}] {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=int, default=40)
    parser.add_argument("--lines", type=int, default=24)
    parser.add_argument("--xlsx", action="store_true", help="make the workbook on our side too")
    wanted = parser.parse_args()
    items = [statement(number, wanted.lines) for number in range(1, wanted.statements + 1)]
    times = measure(items, ("pdf", "xlsx") if wanted.xlsx else ("pdf",))
    for place, kind in enumerate(SECONDS_OF):
        totals = {name: sum(each[place] for each in rows) for name, rows in times.items()}
        best = {name: min(each[place] for each in rows) for name, rows in times.items()}
        speeds = ", ".join(f"{name} {len(items) / total:.2f} statements/s per core" for name, total in totals.items())
        say(
            f"by {kind}: {speeds}: ratio {totals['plain'] / totals['ours']:.2f} (of the quickest {best['plain'] / best['ours']:.2f})"
        )


if __name__ == "__main__":
    main()
