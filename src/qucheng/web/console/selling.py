"""How the brand's resellers sell: by hand or not, how much a day, and who takes money online. The owner decides."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post

from qucheng.core import clock, money
from qucheng.identity.brand import Brand
from qucheng.orders import sales_setting
from qucheng.web import auth, guards, pages, selling_words
from qucheng.web import site as sites
from qucheng.web.finance import books
from qucheng.web.portal import shown
from qucheng.web.texts import n_

HERE = "/selling"
MANUAL: dict[sales_setting.Manual, str] = {
    "off": n_("No: buyers order behind links only"),
    "paid": n_("Yes: the reseller has collected the money, and the order counts as paid"),
}
PROVIDERS: dict[sales_setting.Provider, str] = {
    "null": n_("Nobody: buyers pay the reseller"),
    "simulator": n_("The simulator: for trials, it takes no money"),
}
LONGEST = 20


@get(HERE, opt=guards.page("brand.change"))
async def show(request: Request[Any, Any, Any]) -> Response[Any]:
    brand = await books.brand_of(request)
    setting = await sales_setting.read(brand_id=brand.id)
    typed = money.format_plain(setting.manual_daily_minor, brand.decimals) if setting.manual_daily_minor is not None else ""
    return await _form(request, brand, {"manual": setting.manual_sale, "daily": typed, "provider": setting.provider})


@post(HERE, opt=guards.page("brand.change"), status_code=200)
async def change(request: Request[Any, Any, Any]) -> Response[Any]:
    brand, sent = await books.brand_of(request), await pages.form(request)
    given = {name: shown.typed(sent.get(name)) for name in ("manual", "daily", "provider")}
    try:
        await sales_setting.change(
            brand_id=brand.id,
            setting=_setting(brand, given),
            production=sites.of(request).settings.production,
            actor=auth.actor(request),
            now=clock.now(),
        )
    except sales_setting.SettingInvalidError as refusal:
        return await _form(request, brand, given, refusal.status, [selling_words.fault(request, refusal)])
    return pages.elsewhere(f"{HERE}?done=saved")


def _setting(brand: Brand, given: dict[str, str]) -> sales_setting.Setting:
    """Raises SettingInvalidError for an amount that cannot be read."""
    daily = None
    if given["daily"]:
        try:
            daily = money.parse_typed(given["daily"][:LONGEST], brand.decimals)
        except ValueError:
            raise sales_setting.SettingInvalidError("This is no amount.") from None
    return sales_setting.Setting(
        manual_sale=given["manual"] if given["manual"] in MANUAL else "off",
        manual_daily_minor=daily,
        provider=given["provider"] if given["provider"] in PROVIDERS else "null",
    )


async def _form(
    request: Request[Any, Any, Any],
    brand: Brand,
    given: dict[str, str],
    status: int = 200,
    faults: list[pages.Fault] | tuple[()] = (),
) -> Response[Any]:
    words = pages.words(request)
    production = sites.of(request).settings.production
    return await pages.view(
        request,
        "console/selling.html",
        status=status,
        brand=brand,
        given=given,
        manual=[(each, words.gettext(word)) for each, word in MANUAL.items()],
        providers=[(each, words.gettext(word)) for each, word in PROVIDERS.items() if not production or each != "simulator"],
        unit=shown.unit(brand, words),
        done=request.query_params.get("done") == "saved",
        faults=faults,
    )
