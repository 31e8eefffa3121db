"""The two steps with a phone, on whatever page they stand: a code is sent to it, and typed in."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qucheng.campaigns import consumer, sign_in_code
from qucheng.connectors import sms
from qucheng.core import clock, errors, limits, phone
from qucheng.web import auth, pages, refusals
from qucheng.web import site as sites
from qucheng.web.consumer import visit
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from litestar import Request

    from qucheng.identity.brand import Brand

# of all brands: it is the same phone that rings
PHONE_MINUTE = limits.Limit(name="consumer-code-minute", count=1, seconds=60, closed_when_down=True)
PHONE_HOUR = limits.Limit(name="consumer-code-hour", count=5, seconds=3600, closed_when_down=True)
PHONE_DAY = limits.Limit(name="consumer-code-day", count=10, seconds=86_400, closed_when_down=True)
NETWORK_SENT = limits.Limit(name="consumer-code-network", count=20, seconds=3600, closed_when_down=True)
# what a message costs differs by country, and someone may be paid for those that go far
ABROAD = limits.Limit(name="consumer-code-abroad", count=300, seconds=3600, closed_when_down=True)
NETWORK_TRIED = limits.Limit(name="consumer-code-check", count=30, seconds=600, closed_when_down=True)
SEND = "send"
# for the pages that show the form
PERIODS = {
    "minutes": int(sign_in_code.GOOD_FOR.total_seconds()) // 60,
    "kept_days": consumer.GOOD_FOR.days,
    "store_days": visit.STORE_KEPT_DAYS,
}
FIELDS = {
    "phone.invalid": "phone",
    "phone.no_texts": "phone",
    "sign_in_code.wrong": "code",
    "sign_in_code.missing": "code",
    "consumer.agree": "agree",
}
SENTENCES = {
    "phone.invalid": n_("This is no phone number that could be called. Write it with its country, such as +86 138 0571 2264."),
    "phone.no_texts": n_("No text messages go to this number: enter that of a mobile phone."),
    "sign_in_code.missing": n_("Enter the six digits of the message."),
    "sign_in_code.wrong": n_("The code is wrong, or no longer good. Look at the newest message, or have another one sent."),
    "consumer.agree": n_("Accept the rules of use and the privacy notice first."),
    "sms.nowhere": n_("No text messages can be sent here: this site has no gateway for them. Ask the brand whose page this is."),
}


class NoTextsError(errors.RefusedError):
    code: ClassVar[str] = "phone.no_texts"
    status: ClassVar[int] = 422


class NotAgreedError(errors.RefusedError):
    code: ClassVar[str] = "consumer.agree"
    status: ClassVar[int] = 422


class CodeMissingError(errors.RefusedError):
    """What was typed is no code: no try is counted."""

    code: ClassVar[str] = "sign_in_code.missing"
    status: ClassVar[int] = 422


REFUSED = (
    phone.PhoneInvalidError,
    NoTextsError,
    sign_in_code.CodeWrongError,
    CodeMissingError,
    NotAgreedError,
    sms.NowhereError,
    limits.LimitedError,
    limits.LimiterDownError,
)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the form. sent_to: the phone with its middle hidden, where a code was sent. wait: seconds until another may be."""

    phone: str = ""
    agreed: bool = False
    sent_to: str | None = None
    wait: int = 0


def step(sent: dict[str, str]) -> Step:
    return Step(phone=sent.get("phone", ""), agreed=bool(sent.get("agree")))


def sends(sent: dict[str, str]) -> bool:
    """Whether a code is asked for: by its button, or by the Enter key where none was typed yet."""
    return sent.get("do") == SEND or not (sent.get("do") or sent.get("code", "").strip())


async def send(request: Request[Any, Any, Any], brand: Brand, sent: dict[str, str]) -> Step:
    """The answer is the same, whoever has the phone. Raises what REFUSED names."""
    site, now, typed = sites.of(request), clock.now(), sent.get("phone", "")
    sms.require(site.settings)
    called, here = _called(brand, typed), phone.prefix(brand.currency)
    if not phone.takes_texts(called):
        raise NoTextsError("No text messages go to this number.")
    # a network that is over its limit takes nothing away from a phone
    await site.limit(NETWORK_SENT, subject=auth.network(request))
    mark = site.keys.fingerprint(called, of="consumer.code-limit").hex()
    for limit in (PHONE_MINUTE, PHONE_HOUR, PHONE_DAY):
        await site.limit(limit, subject=mark)
    if here is not None and not called.startswith(here):
        await site.limit(ABROAD, subject=str(brand.id))
    await sign_in_code.send(brand=brand, keys=site.keys, phone=called, locale=pages.language_of(request), now=now)
    return msgspec.structs.replace(step(sent), sent_to=phone.masked(called), wait=PHONE_MINUTE.seconds)


async def prove(request: Request[Any, Any, Any], brand: Brand, sent: dict[str, str]) -> str:
    """The token of a new session. Raises what REFUSED names."""
    site, called = sites.of(request), _called(brand, sent.get("phone", ""))
    typed = unicodedata.normalize("NFKC", sent.get("code", ""))
    code = "".join(char for char in typed if char.isascii() and char.isdigit())
    if len(code) != sign_in_code.DIGITS:
        raise CodeMissingError("A code has six digits.")
    if not sent.get("agree"):
        raise NotAgreedError("The rules of use and the privacy notice were not accepted.")
    await site.limit(NETWORK_TRIED, subject=auth.network(request))
    return await sign_in_code.sign_in(
        brand=brand,
        keys=site.keys,
        phone=called,
        code=code,
        browser=visit.browser(request),
        before=auth.cookie(request, visit.COOKIE),
        actor=visit.actor(request),
        now=clock.now(),
    )


def after(sent: dict[str, str], brand: Brand, refusal: errors.RefusedError) -> Step:
    """What stands in the form after a refusal: a code that was sent may be tried again."""
    kept = step(sent)
    if sends(sent):
        kept = msgspec.structs.replace(kept, wait=getattr(refusal, "retry_after", 0))
    if not sent.get("sent"):
        return kept
    try:
        return msgspec.structs.replace(kept, sent_to=phone.masked(_called(brand, kept.phone)))
    except phone.PhoneInvalidError:
        return kept


def fault(request: Request[Any, Any, Any], refusal: errors.RefusedError) -> pages.Fault:
    words, said = pages.words(request), SENTENCES.get(refusal.code)
    return pages.Fault(field=FIELDS.get(refusal.code), message=words.gettext(said) if said else refusals.sentence(refusal, words))


def _called(brand: Brand, typed: str) -> str:
    return phone.normalised(typed, region=phone.region(brand.currency))
