"""One statement as PDF/A-3a, with its canonical JSON and its entries as CSV attached. The same statement gives the same bytes.

`render` is what a process of `document_pool.Renderer` runs. It sets up the engine once for the process and points fontconfig to
an empty configuration, so it should not be called in a process that renders anything else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import gc
import hashlib
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

import jinja2
import msgspec
import segno
from markupsafe import Markup

from qucheng.core import errors
from qucheng.settlement import document as documents
from qucheng.settlement import document_fonts, document_texts, document_view

if TYPE_CHECKING:
    from qucheng.settlement.document import StatementDocument

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE.joinpath("templates/statement"), _PACKAGE.parents[1].joinpath("templates/statement"))
_TEMPLATES = next((folder for folder in _PLACES if folder.is_dir()), _PLACES[0])
"""Inside the package where it is installed, beside `src` in the repository."""
_INSTALL = (
    "PDF statements need Pango. Debian and Ubuntu: apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 "
    "libharfbuzz-subset0; macOS: brew install pango; Fedora: dnf install pango; Alpine: apk add pango"
)


class PdfEngineMissingError(errors.RefusedError):
    """The machine lacks the libraries that set a PDF; everything else works without them."""

    code: ClassVar[str] = "pdf.engine_missing"
    status: ClassVar[int] = 409


class _Engine(NamedTuple):
    weasyprint: Any
    fonts: Any
    fetcher: Any
    style: Any


def warm() -> None:
    """Load engine, fonts and styles of this process; PdfEngineMissingError where the machine lacks Pango."""
    _engine()
    for language in ("zh-CN", "en"):
        _template(language)
    gc.collect()
    gc.freeze()


def render(document: StatementDocument, lines_csv: bytes, public_url: str | None) -> bytes:
    """The PDF. NotProvenError where the document does not add up or the CSV is not its own."""
    documents.verify(document, lines_csv)
    canonical = documents.canonical_json(document)
    sha256 = hashlib.sha256(canonical).hexdigest()
    engine, texts = _engine(), document_texts.texts(document.locale)
    view = document_view.View(document, texts, document_fonts.printable)
    html = _template(document.locale).render(
        view=view,
        d=document,
        texts=texts,
        sha256=sha256,
        qr=qr_svg(documents.check_text(document, sha256, public_url)),
        public_url=public_url,
        ended=_end(document).isoformat(),
    )
    margins = engine.weasyprint.CSS(string=_margins(view, texts), url_fetcher=engine.fetcher)
    parsed = engine.weasyprint.HTML(string=html, base_url=document_fonts.SCHEME, url_fetcher=engine.fetcher)
    pdf: bytes = parsed.write_pdf(
        stylesheets=[engine.style, margins],
        font_config=engine.fonts,
        attachments=[
            _attachment(engine, document, ".json", canonical, texts.gettext("This statement, canonical JSON")),
            _attachment(engine, document, ".csv", lines_csv, texts.gettext("Every entry of this statement")),
        ],
        finisher=_each_attachment_once,
        pdf_variant="pdf/a-3a",
        pdf_identifier=bytes.fromhex(sha256[:32]),
    )
    return pdf


def render_task(canonical: bytes, lines_csv: bytes, public_url: str | None) -> bytes:
    """`render` for another process, which gets the document as its canonical JSON."""
    document = msgspec.json.decode(canonical, type=documents.StatementDocument)
    # the trees of a document are full of cycles; collecting once behind it is quicker than looking for them all the way
    gc.disable()
    try:
        return render(document, lines_csv, public_url)
    finally:
        gc.enable()
        gc.collect()


def _margins(view: document_view.View, texts: document_texts.Texts) -> str:
    """What differs in the margins: the sentence of the page number, and wider boxes for long running totals."""
    page_of = texts.gettext("Page %(page)s of %(pages)s") % {"page": '" counter(page) "', "pages": '" counter(pages) "'}
    style = f'@page {{ @bottom-center {{ content: "{page_of}" }} }}'
    if view.wide:
        style += "@page { @top-left { width: 44% } @top-right { width: 56% }"
        style += " @bottom-left { width: 24% } @bottom-center { width: 16% } @bottom-right { width: 60% } }"
    return style


def qr_svg(text: str) -> Markup:
    code = segno.make(text, error="m", micro=False)
    return Markup(code.svg_inline(border=0, omitsize=True, svgclass=None, lineclass=None))  # noqa: S704 - segno's own markup


def _attachment(engine: _Engine, document: StatementDocument, suffix: str, data: bytes, description: str) -> Any:  # noqa: ANN401
    # with its dates left out the engine would write today's, and no two renderings would be alike
    ended = _end(document).astimezone(dt.UTC)
    return engine.weasyprint.Attachment(
        string=data,
        name=document.statement_no + suffix,
        description=description,
        relationship="Data",
        created=ended,
        modified=ended,
        url_fetcher=engine.fetcher,
    )


def _each_attachment_once(_: Any, pdf: Any) -> None:  # noqa: ANN401 - the engine has no types
    """The engine lists the associated files twice in the catalogue."""
    pdf.catalog["AF"] = type(pdf.catalog["AF"])(dict.fromkeys(pdf.catalog["AF"]))


def _end(document: StatementDocument) -> dt.datetime:
    """The instant the period ended: the only date that a statement has of itself."""
    return dt.datetime.combine(document.last_day + dt.timedelta(days=1), dt.time(), ZoneInfo(document.time_zone))


@functools.cache
def _engine() -> _Engine:
    # before fontconfig is loaded: it reads its configuration once
    os.environ["FONTCONFIG_FILE"] = str(document_fonts.FONTCONFIG_FILE)
    try:
        # without Pango it prints a page of advice, where the command line prints its summary
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # "No fonts configured" is what is meant
            # here and not above: importing it loads Pango, which a machine without PDFs need not have
            import weasyprint  # noqa: PLC0415
            from weasyprint import urls  # noqa: PLC0415
            from weasyprint.text import fonts as text_fonts  # noqa: PLC0415

            configuration = text_fonts.FontConfiguration()
    except OSError as error:
        raise PdfEngineMissingError(f"{_INSTALL} ({error})") from error

    class OwnAssets(urls.URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:  # noqa: ANN401, ARG002
            try:
                return urls.URLFetcherResponse(url, document_fonts.asset(url))
            except document_fonts.AssetRefusedError as error:
                # an ordinary error would only be logged, and the statement would go out without what it lacks
                raise urls.FatalURLFetchingError(str(error)) from error

    fetcher = OwnAssets()
    source = document_fonts.FONT_FACES + _TEMPLATES.joinpath("statement.css").read_text(encoding="utf-8")
    style = weasyprint.CSS(string=source, url_fetcher=fetcher, font_config=configuration)
    return _Engine(weasyprint, configuration, fetcher, style)


@functools.cache
def _template(language: document_texts.Language) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words = document_texts.texts(language)
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return environment.get_template("statement.html")
