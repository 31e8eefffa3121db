"""Cards that were found, by a code, its end, a phone or an order, are stopped together: those that are marked."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post

from qucheng.stock import pool_views, rules, stop, trace
from qucheng.web import guards, pages
from qucheng.web.console import stops
from qucheng.web.console import trace as traces
from qucheng.web.finance import books
from qucheng.web.texts import n_

MARK = "card-"
NONE = n_("Mark the cards that are meant.")


@post("/cards/stop", opt=guards.page("stock.change", form=traces.FORM), status_code=200)
async def stop_cards(request: Request[Any, Any, Any]) -> Response[Any]:
    """`listed`: the cards of the page; of these the marked ones."""
    brand, sent, words = await books.brand_of(request), await pages.form(request), pages.words(request)
    marked, listed = (
        _named(name.removeprefix(MARK) for name in sent if name.startswith(MARK)),
        _named(sent.get("listed", "").split()),
    )
    what = next((each for each in stops.WHATS if each == sent.get("what")), "freeze")

    async def again(status: int, field: str | None, sentence: str) -> Response[Any]:
        found = await trace.by_cards(brand_id=brand.id, cards=sorted({*marked, *listed}))
        fault = pages.Fault(field=field, message=words.gettext(sentence))
        return await traces.view(request, "code", found, status=status, faults=[fault], sent=sent)

    if not marked:
        return await again(422, None, NONE)
    chosen = stop.Chosen(cards=marked)
    if not stops.changed(await pool_views.states(brand_id=brand.id, chosen=chosen))[what]:
        return await again(409, "what", stops.NOTHING)
    try:
        outcome = await stops.do(brand, what, chosen, sent.get("reason", ""), request)
    except stop.ReasonError as refusal:
        return await again(refusal.status, "reason", stops.REASON)
    return pages.elsewhere(f"{traces.FORM}?done={outcome.changed}")


def _named(texts: Any) -> list[tuple[int, int]]:  # noqa: ANN401 - any iterable of texts
    found = []
    for text in list(texts)[: trace.MOST]:
        try:
            found.append(rules.parse_card_id(text))
        except rules.CardUnknownError:
            continue
    return found
