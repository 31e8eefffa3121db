"""What a refusal is called on a page: a sentence for each code, translated where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.core import errors
    from qucheng.web import texts

SENTENCES = {
    "sign_in.refused": n_("The login or the password is wrong."),
    "sign_in.blocked": n_("Too many attempts from here. You can try again in %(wait)s."),
    "sign_in.proof_needed": n_(
        "There were many wrong attempts on this login in the last hour. Sign in on a device that you have used before, or set a new password by letter."
    ),
    "limit.reached": n_("Too many attempts from here. You can try again in %(wait)s."),
    "limit.down": n_("Attempts can't be counted at the moment, so none is taken. You can try again in %(wait)s."),
    "second_factor.wrong": n_("The code is wrong, or was used already. A new one appears within 30 seconds."),
    "second_factor.blocked": n_("Too many wrong codes. You can try again in %(wait)s."),
    "second_factor.enrolled": n_("There is a second factor already."),
    "second_factor.not_enrolled": n_("There is no second factor yet."),
    "membership.unknown": n_("This role is not yours any more."),
    "membership.stands": n_("You have this role already."),
    "invitation.unknown": n_(
        "This invitation is not valid: it was accepted or withdrawn, or its 7 days are over. Ask for another."
    ),
    "invitation.not_yours": n_("The invitation went to another address: sign in with that one."),
    "password_reset.unknown": n_("This link is not valid: it was used, or its hour is over. Ask for another."),
    "password.weak": n_(
        "This password is easy to guess. It needs 12 to 128 characters, and must not be a common one or hold your name or address."
    ),
    "user.name_invalid": n_("A name has 1 to 80 characters."),
    "user.login_invalid": n_("A login is an e-mail address, or 3 to 64 letters, digits, dots, hyphens and underscores."),
    "user.login_taken": n_("This address has an account already: sign in with it, then accept."),
    "session.unknown": n_("The session is over: sign in again."),
    "csrf.origin": n_("This was sent from another site, so nothing was done."),
    "csrf.token": n_(
        "This page is out of date, or the browser keeps no cookies, so nothing was done. Open the page again, then send it. Outside this machine it works over https only."
    ),
}
SECOND, MINUTE = n_("%(n)s seconds"), n_("%(n)s minutes")
SECONDS_SHOWN = 90


def sentence(refusal: errors.RefusedError, words: texts.Texts) -> str:
    """What it says itself, in English, where nothing else is said of its code."""
    found = SENTENCES.get(refusal.code)
    return words.gettext(found) % {"wait": wait(refusal, words)} if found else str(refusal)


def wait(refusal: errors.RefusedError, words: texts.Texts) -> str:
    seconds: int = getattr(refusal, "retry_after", 0)
    if seconds < SECONDS_SHOWN:
        return words.gettext(SECOND) % {"n": seconds}
    return words.gettext(MINUTE) % {"n": -(-seconds // 60)}


def headers(refusal: errors.RefusedError) -> dict[str, str]:
    seconds: int | None = getattr(refusal, "retry_after", None)
    return {} if seconds is None else {"retry-after": str(seconds)}
