"""What the browser complains about is noticed: each complaint, provoked on a page without faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Stage

pytestmark = pytest.mark.anyio

PROVOKED = {
    "an image from elsewhere": ("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))", "stopped by the policy: img-src"),
    "a style in the page": ("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')", "stopped by the policy: style-src"),
    "a script that fails": ("setTimeout(() => { throw new Error('broken') })", "script: broken"),
    "a word to the console": ("console.warn('look at this')", "console warning: look at this"),
    "an address without a page": ("fetch('/nothing-here')", "404: /nothing-here"),
    "a field without a label": ("document.querySelectorAll('label').forEach(each => each.remove())", "label (critical)"),
    "a text that is hard to read": ("document.querySelector('h1').style.color = '#999'", "color-contrast (serious)"),
    "something wider than the screen": ("document.querySelector('h1').style.width = '2000px'", "is too wide: <h1"),
}  # fmt: skip


async def test_a_complaint_fails_the_test(stage: Stage) -> None:
    async with stage.opened() as shown:
        await shown.open("/sign-in")
        await shown.seemly()
        shown.clean()
        for script, complaint in PROVOKED.values():
            await shown.open("/sign-in")
            await shown.page.evaluate(f"() => {{ {script} }}")
            await shown.page.wait_for_timeout(100)
            await shown.seemly()
            assert [fault for fault in shown.faults if complaint in fault] != [], (complaint, shown.faults)
            with pytest.raises(AssertionError):
                shown.clean()
            shown.faults.clear()
