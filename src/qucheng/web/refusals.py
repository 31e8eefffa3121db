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
    "busy": n_("The server was held up for a moment. Look whether it was done; if not, try again in %(wait)s."),
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
    "run.unknown": n_("There is no such run."),
    "run.state": n_("The run is not in a state in which this can be done any more. The page shows it as it is now."),
    "run.asked": n_("The run waits for a decision already."),
    "run.published": n_("The run has been published already."),
    "run.documents_waiting": n_("Documents of the run are being made: it is published with the last of them."),
    "run.documents_differ": n_("Meanwhile another number of statements has no documents. Look again, then publish."),
    "refund.exists": n_("Another refund has this number: open the form again."),
    "check.missing": n_("Nobody has checked the run as it is. Check it first."),
    "check.stale": n_("Something was accrued since the run was checked. Check it again."),
    "check.differs": n_(
        "Orders, statements and ledger are not the same, so nothing was approved. Check the run again to see where."
    ),
    "period.not_ended": n_("The month has not ended, so it can't be computed yet."),
    "period.settled": n_("The month has been settled. What comes later is on a later statement."),
    "statement.unknown": n_("There is no such statement."),
    "document.missing": n_("There is no such document, or it is not made yet."),
    "document.changed": n_("The file is not the one that was made, so it is not handed out. Have it made again."),
    "approval.unknown": n_("There is no such request."),
    "approval.state": n_("This was decided already, so nothing was done."),
    "approval.expired": n_("Its time is over. It can be asked for again."),
    "approval.differs": n_(
        "What is to be done is not what was asked for any more, so nothing was done. It can be asked for again."
    ),
    "approval.decide": n_("This is for somebody else to decide: whoever asked for it can't, and the role for it is needed now."),
    "approval.reason": n_("Say why you reject it, so that it can be asked for better."),
    "csrf.origin": n_("This was sent from another site, so nothing was done."),
    "csrf.token": n_(
        "This page is out of date, or the browser keeps no cookies, so nothing was done. Open the page again, then send it. Outside this machine it works over https only."
    ),
    "upload.refused": n_("The file is empty."),
    "upload.too_large": n_("The file is larger than 256 MB: send the month in parts, or packed as a bundle."),
    "upload.other_brand": n_("The bundle is another brand's: its brand.toml has another code than these books."),
    "upload.file_gone": n_("The file was gone before it could be read: send it again."),
    "archive.refused": n_("The ZIP cannot be taken: it is broken, or holds something else than the files of a bundle."),
    "bundle.unreadable": n_("A file cannot be read: its columns, its encoding or its quotation marks are not right."),
    "brand.refused": n_("The brand.toml of the bundle is wrong."),
    "brand.settings_differ": n_(
        "The brand.toml of the bundle says something else than the settings stored here. A delivery changes no settings."
    ),
    "export.not_ready": n_("The file is not made yet, or no longer kept."),
    "dispute.state": n_("This dispute has been answered already."),
    "dispute.reason": n_("Say why, in 1 to 1000 characters."),
    "adjustment.pending": n_("An adjustment for this dispute waits for its approval already."),
    "adjustment.taken": n_("An adjustment was asked for under this code already: open a new form for another."),
    "adjustment.busy": n_(
        "A delivery is being taken in. This can be done when it is in the books; you can try again in %(wait)s."
    ),
    "exception.gone": n_("This is not there any more, or has other figures now: look at the list again."),
    "exception.note": n_("Say what you found, in 1 to 500 characters."),
    "risk.reason": n_("Say what you found, in 1 to 500 characters."),
    "risk.state": n_("The alert was decided already. The page shows it as it is now."),
    "risk.unknown": n_("There is no such alert."),
    "brand.plan_kept": n_("The delivery brings new rules, but the plan of this brand is kept here. Nothing of it was taken in."),
    "plan.rule_stale": n_("The rule was changed meanwhile, so nothing was saved. Look at it, then save again."),
    "plan.draft_closed": n_("There is no open draft, or it was submitted meanwhile, so nothing was saved."),
    "plan.effective": n_(
        "The first day of a plan is tomorrow at the earliest, not before that of the plan it follows, and before any of its new rules ends."
    ),
    "plan.busy": n_("A delivery is being taken in, so nothing was decided. You can try again in %(wait)s."),
    "plan.base_moved": n_("Something was published or delivered since the draft was opened."),
    "plan.unchanged": n_("The draft has the same rules as what is in force."),
    "plan.state": n_("The plan is not submitted any more. The page shows it as it is now."),
    "plan.refused": n_("The law or the policy does not allow this plan."),
    "plan.unknown": n_("There is no such plan."),
    "plan.certificate_not_ready": n_("The certificate is not made yet. It is made within a minute of the approval."),
    "plan.description": n_("The plan can't be read: it is neither a table with the columns of rules.csv nor TOML."),
    "approval.ask": n_("Your role does not ask for this."),
    "agreement.changed": n_("The agreement is another one by now: read it again."),
    "application.facts_wiped": n_(
        "It was rejected more than 180 days ago: name, number, e-mail and phone are not kept any more."
    ),
    "application.unknown": n_("There is no application behind this link."),
    "reseller.unknown": n_("There is no such reseller."),
    "identity.missing": n_("Nobody has written down who this reseller is: it came with a delivery."),
    "policy.opinion_not_needed": n_("This policy needs no opinion."),
    "policy.opinion_asked": n_("An opinion waits for its approval already."),
    "policy.opinion_dates": n_(
        "The opinion would be over before it begins, or hold longer than twelve months. Nothing was approved."
    ),
    "policy.looser": n_("Limits are tightened, never loosened: none may be looser than before, and one has to be tighter."),
    "policy.day": n_(
        "Limits begin on a day to come, within a year, and after those that are known already. Nothing was changed."
    ),
    "policy.deeper": n_("Somebody would stand deeper than the new cap on that day: move them first."),
    "policy.tighten_asked": n_("Tighter limits wait for their approval already."),
    "portal_text.unknown": n_("There is no such text, or it is ended already."),
    "price.plan": n_(
        "At these prices the commission plan would pay more than it may, or leave less than the cost. Nothing was put in force."
    ),
    "price.version_unknown": n_("There is no such price version."),
    "price.draft_exists": n_("There is a draft of the prices already, or one waits for approval."),
    "price.state": n_("The draft was submitted or closed meanwhile, so nothing was saved."),
    "price.no_changes": n_("The draft has the same prices as the version it was made from."),
    "price.faults": n_(
        "Some prices are under the floor, some floors under the cost, or something is priced where it is not sold."
    ),
    "price.overtaken": n_("Another version was approved meanwhile. Bring the draft up to date first."),
    "price.effective_on": n_("Prices take effect after today at the earliest, and not before the version they were made from."),
    "price.rows": n_("Some rows are wrong, so nothing of the file was taken."),
    "price.file_unknown": n_("There is no such file, or it is no longer kept: send it again."),
    "brand.prices_kept": n_(
        "The delivery brings new prices, but the prices of this brand are kept here. Nothing of it was taken in."
    ),
    "reveal.nothing": n_("There is no code to be shown: nothing was delivered, or it was stopped or is void."),
    "reveal.quota": n_("As many codes were shown as may be for now. You can try again in %(wait)s."),
    "reveal.unrecorded": n_("This can't be put on record at the moment, so nothing is shown. You can try again in %(wait)s."),
    "sheet.unreadable": n_(
        "The file cannot be read: it is neither a CSV in UTF-8 or GB 18030 nor a workbook (XLSX), or it is damaged or locked."
    ),
    "sheet.too_large": n_("The file is too large: at most 8 MB, 20,000 rows, 64 columns and 2,000 letters in a cell."),
    "sheet.columns": n_("The first row does not name the columns."),
    "digits.closed": n_("Too many wrong digits on this terminal. Scan the code, or try digits again in %(wait)s."),
    "codes.closed": n_(
        "Too many codes on this terminal that there are not. Scan the customer's moving code, or try codes again in %(wait)s."
    ),
    "delivery_link.unknown": n_(
        "This link is not complete, or a newer one took its place. Look at the newest message. If there is none, ask the seller to send the link again."
    ),
    "sales_link.unknown": n_("There is nothing behind this link: it is not complete. Ask the seller for it again."),
    "terminal.none": n_("You work at no terminal: nothing is redeemed. Ask your manager."),
    "redemption.unknown": n_("There is no such redemption at your terminal."),
    "redemption.changed": n_("The card is not redeemed any more."),
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
