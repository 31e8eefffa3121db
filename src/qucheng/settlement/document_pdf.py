"""One statement as PDF/A-3a, with its canonical JSON and its entries as CSV attached. The same statement gives the same bytes.

`render` runs in a process of `document_pool.Renderer`. It sets up the engine once for the process and points fontconfig to
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
from xml.etree import ElementTree as ET

import jinja2
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


class Engine(NamedTuple):
    weasyprint: Any
    fonts: Any
    fetcher: Any
    style: Any
    parsed: Any


class Page(NamedTuple):
    """A statement as the engine takes it: what is on it, how its margins differ, and what belongs to the PDF beside that."""

    html: str
    margins: str
    options: dict[str, Any]


def warm() -> None:
    """Load engine, fonts and styles of this process; PdfEngineMissingError where the machine lacks Pango."""
    engine()
    for language in ("zh-CN", "en"):
        _template(language)
    gc.collect()
    gc.freeze()


def render(document: StatementDocument, lines_csv: bytes, public_url: str | None) -> bytes:
    """The PDF of a document that has been verified with its CSV."""
    tools, page = engine(), lay_out(document, lines_csv, public_url)
    margins = tools.weasyprint.CSS(string=page.margins, url_fetcher=tools.fetcher)
    parsed = tools.parsed(page.html)
    pdf: bytes = parsed.write_pdf(stylesheets=[tools.style, margins], font_config=tools.fonts, **page.options)
    return pdf


def lay_out(document: StatementDocument, lines_csv: bytes, public_url: str | None) -> Page:
    """All that the engine is given of a document."""
    canonical, tools, texts = documents.canonical_json(document), engine(), document_texts.texts(document.locale)
    sha256 = hashlib.sha256(canonical).hexdigest()
    view = document_view.View(document, texts, document_fonts.printable)
    html = _template(document.locale).render(
        view=view,
        d=document,
        texts=texts,
        sha256=sha256,
        qr=qr_svg(documents.check_text(document, sha256, public_url)),
        public_url=public_url,
        ended=documents.ended_at(document).isoformat(),
    )
    options = {
        "attachments": [
            _attachment(tools, document, ".json", canonical, texts.gettext("This statement, canonical JSON")),
            _attachment(tools, document, ".csv", lines_csv, texts.gettext("Every entry of this statement")),
        ],
        "finisher": _each_attachment_once,
        "pdf_variant": "pdf/a-3a",
        "pdf_identifier": bytes.fromhex(sha256[:32]),
    }
    return Page(html, _margins(view, texts), options)


def style_source() -> str:
    """Fonts and styles of every statement."""
    return document_fonts.FONT_FACES + template_text("statement.css")


def template_text(name: str) -> str:
    """A file beside the statement's own, for papers in its hand."""
    return _TEMPLATES.joinpath(name).read_text(encoding="utf-8")


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
    svg = io.BytesIO()
    code.save(svg, kind="svg", xmldecl=False, nl=False, border=0, omitsize=True, svgclass=None, lineclass=None)
    return Markup(svg.getvalue().decode())  # noqa: S704 - segno's own markup


def _attachment(tools: Engine, document: StatementDocument, suffix: str, data: bytes, description: str) -> Any:  # noqa: ANN401
    # with its dates left out the engine would write today's, and no two renderings would be alike
    ended = documents.ended_at(document).astimezone(dt.UTC)
    return tools.weasyprint.Attachment(
        string=data,
        name=document.statement_no + suffix,
        description=description,
        relationship="Data",
        created=ended,
        modified=ended,
        url_fetcher=tools.fetcher,
    )


def _each_attachment_once(_: Any, pdf: Any) -> None:  # noqa: ANN401 - the engine has no types
    """The engine lists the associated files twice in the catalogue."""
    pdf.catalog["AF"] = type(pdf.catalog["AF"])(dict.fromkeys(pdf.catalog["AF"]))


@functools.cache
def engine() -> Engine:
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

    class Parsed(weasyprint.HTML):  # type: ignore[misc]
        """The template is well-formed XML, which is read much quicker than HTML; the elements are the same."""

        def __init__(self, text: str) -> None:
            self.base_url = document_fonts.SCHEME
            self.url_fetcher = fetcher
            self.media_type = "print"
            root = ET.fromstring(text)  # noqa: S314 - our own template, in which every value is escaped
            self.wrapper_element = weasyprint.cssselect2.ElementWrapper.from_html_root(root, content_language=None)
            self.etree_element = self.wrapper_element.etree_element

    style = weasyprint.CSS(string=style_source(), url_fetcher=fetcher, font_config=configuration)
    return Engine(weasyprint, configuration, fetcher, style, Parsed)


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
