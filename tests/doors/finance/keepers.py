"""Those who keep the books, signed in, and their tasks done at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.doors.account import browser
from tests.rooms.identity import people

from qucheng.core import crypto, ids, task
from qucheng.jobs import handlers, runner

if TYPE_CHECKING:
    import uuid

    import httpx

    from qucheng.identity import permissions
    from qucheng.identity.brand import Brand


async def signed_in(house: browser.House, brand_id: uuid.UUID, role: permissions.Role) -> browser.Browser:
    """A new person with that role, their second factor given."""
    login = f"{crypto.token()[:12].lower().strip('-_')}@example.com"
    await people.member(house.keys, brand_id, role, login=login)
    opened = await house.browser()
    await opened.sign_in(login)
    if role in {"operator", "owner", "manager", "accountant"}:
        await opened.enrol()
    return opened


async def send_file(
    opened: browser.Browser, content: bytes, *, kind: str = "orders", name: str = "orders.csv", path: str = "/uploads"
) -> httpx.Response:
    """The form of the page that it shows, with a file."""
    found = browser.TOKEN.search(opened.page)
    assert found is not None, opened.page
    answer = await opened.client.post(
        path,
        data={"_csrf": found[1], "kind": kind},
        files={"file": (name, content)},
        headers={"accept": "text/html", "accept-language": opened.language, "origin": browser.HOME},
    )
    if answer.status_code != 303:
        opened.page = answer.text
    return answer


async def work_off(house: browser.House, brand: Brand) -> list[task.Task]:
    """Does the brand's tasks that wait, and returns them as they ended."""
    waiting = await task.listing(states=("waiting",), brand_id=brand.id, most=100)
    with handlers.Tools(house.app.state["site"].settings) as tools:
        for each in waiting:
            await runner.perform(each.id, worker=ids.new_id(), tools=tools)
    return [await task.read(each.id) for each in waiting]
