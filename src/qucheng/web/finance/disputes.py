"""Disputes of resellers: the list, and one with the row in question, why it is what it is, and the answer to it."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Request, Response, get, params, post
from litestar.exceptions import NotFoundException

from qucheng.identity.brand import Brand
from qucheng.insight import explain, explain_words
from qucheng.network import blocklist
from qucheng.settlement import adjustment_queries, dispute
from qucheng.web import auth, guards, pages, refusals
from qucheng.web.console import promise
from qucheng.web.finance import books, desk
from qucheng.web.texts import n_

LIST, ONE = "/disputes", "/disputes/{dispute_id:uuid}"
MOST = 200
STATES: dict[dispute.State, str] = {"open": n_("Open"), "adjusted": n_("Adjusted"), "rejected": n_("Rejected")}
# an explanation names rules and costs
EXPLAINS = "plans.read"


class Fact(msgspec.Struct):
    """A sentence of an explanation, with those that belong to it."""

    sentence: str
    parts: list[Fact]


@get(LIST, opt=guards.page("disputes.read"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, words = await books.brand_of(request), pages.words(request)
    state = next((each for each in STATES if each == request.query_params.get("state")), None)
    found = await dispute.listing(brand_id=brand.id, states=(state,) if state else dispute.STATES, most=MOST)
    return await pages.view(
        request,
        "finance/disputes.html",
        brand=brand,
        rows=found,
        most=MOST,
        state=state,
        states=[(each, words.gettext(word)) for each, word in STATES.items()],
    )


@get(ONE, opt=guards.page("disputes.read"))
async def one(request: Request[Any, Any, Any], dispute_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    return await _page(request, dispute_id)


@post(ONE + "/reject", opt=guards.page("disputes.decide", form=LIST), status_code=200)
async def reject(request: Request[Any, Any, Any], dispute_id: params.FromPath[uuid.UUID]) -> Response[Any]:
    """A second click finds it answered."""
    brand, sent = await books.brand_of(request), await pages.form(request)
    answer = sent.get("answer", "")
    try:
        await dispute.reject(brand=brand, dispute_id=dispute_id, reason=answer, actor=auth.actor(request))
    except dispute.DisputeUnknownError:
        raise NotFoundException from None
    except dispute.DisputeReasonError as refusal:
        fault = pages.Fault(field="answer", message=refusals.sentence(refusal, pages.words(request)))
        return await _page(request, dispute_id, status=refusal.status, answer=answer, faults=[fault])
    except blocklist.PromiseError as refusal:
        fault = pages.Fault(field="answer", message=promise.words(request, refusal.found))
        return await _page(request, dispute_id, status=refusal.status, answer=answer, faults=[fault])
    except dispute.DisputeStateError as refusal:
        fault = pages.Fault(message=refusals.sentence(refusal, pages.words(request)))
        return await _page(request, dispute_id, status=refusal.status, faults=[fault])
    return pages.elsewhere(f"{LIST}/{dispute_id}")


async def _page(
    request: Request[Any, Any, Any],
    dispute_id: uuid.UUID,
    *,
    status: int = 200,
    answer: str = "",
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    brand = await books.brand_of(request)
    try:
        found = await dispute.read(brand_id=brand.id, dispute_id=dispute_id)
    except dispute.DisputeUnknownError:
        raise NotFoundException from None
    return await pages.view(
        request,
        "finance/dispute.html",
        status=status,
        brand=brand,
        dispute=found,
        adjustment=await adjustment_queries.of_dispute(brand=brand, dispute_id=dispute_id),
        facts=await _facts(request, brand, found) if EXPLAINS in auth.principal(request).permissions else [],
        names=await desk.names(request, [found.opened_by, found.decided_by]),
        answer=answer,
        faults=faults,
    )


async def _facts(request: Request[Any, Any, Any], brand: Brand, found: dispute.Dispute) -> list[Fact]:
    """Why the row is what it is, in the language of the page."""
    try:
        life = await explain.explain(brand=brand, entry=found.entry)
    except explain.EntryUnknownError:
        return []
    lines = explain_words.tell(life, brand=brand, language="zh" if pages.language_of(request) == "zh-CN" else "en")
    return tree(lines)


def tree(lines: list[str]) -> list[Fact]:
    """Lines whose two spaces at the start say how deep they stand."""
    found: list[Fact] = []
    levels = [found]
    for line in lines:
        depth = min((len(line) - len(line.lstrip(" "))) // 2, len(levels) - 1)
        fact = Fact(sentence=line.strip(), parts=[])
        del levels[depth + 1 :]
        levels[depth].append(fact)
        levels.append(fact.parts)
    return found
