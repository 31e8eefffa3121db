"""What the pages of webhooks say: of events, of endpoints, of sendings, and of what cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qucheng.identity import overlap, webhook_delivery, webhook_endpoint, webhook_log
from qucheng.web import pages
from qucheng.web.console import renewal
from qucheng.web.finance import step_up
from qucheng.web.texts import n_

if TYPE_CHECKING:
    from qucheng.core import errors, outbox
    from qucheng.web import texts

KINDS: dict[outbox.Kind, str] = {
    "order.paid": n_("An order was paid"),
    "order.refunded": n_("An order was refunded, in whole or in part"),
    "entry.accrued": n_("Commission of an order was entered"),
    "entry.reversed": n_("Commission of an order was taken back"),
    "statement.published": n_("A statement was published"),
    "card.redeemed": n_("A card was redeemed"),
}
STATES: dict[webhook_delivery.State, str] = {
    "queued": n_("In line"),
    "waiting": n_("To be sent"),
    "sending": n_("Being sent"),
    "delivered": n_("Arrived"),
    "dead": n_("Given up"),
    "dropped": n_("Not sent"),
}
FAULTS = {
    "url": n_("Nothing is sent to this address"),
    "name": n_("The name of the host was not found"),
    "address": n_("The host leads to an address that is not public"),
    "connect": n_("No connection, or not with the certificate of this host"),
    "timeout": n_("No complete answer within 10 seconds"),
    "protocol": n_("The answer could not be read"),
    "secret": n_("The signing secret could not be opened"),
    "lost": n_("The worker was lost on the way: it may have arrived"),
}
NOTICES = {
    "ended": n_("Only the new secret signs from now on."),
    "paused": n_("The endpoint is paused: its events wait."),
    "resumed": n_("The endpoint gets its events again."),
    "deleted": n_("The endpoint is deleted. What was sent there stays in the log."),
    "tested": n_("A test event is on its way."),
    "replayed": n_("It is sent once more, under the same number."),
}
SENTENCES = {
    "url": n_("An address is like https://hooks.example.com/orders, on port 443 or 8443, and of the public internet."),
    "kinds": n_("Choose what is sent there."),
    "since": n_("Choose how far back."),
    "webhook.state": n_("The endpoint is not open for that any more. The page shows it as it is now."),
    "webhook.too_many": n_("There are 10 endpoints already: delete one first."),
    "webhook.delivery_state": n_("It is still under way, or its endpoint takes nothing at the moment."),
}
REFUSED = (
    webhook_endpoint.EndpointUnfitError,
    overlap.OverlapUnfitError,
    webhook_endpoint.EndpointStateError,
    webhook_endpoint.TooManyEndpointsError,
    webhook_log.DeliveryStateError,
    *step_up.REFUSED,
)


def fault(refusal: errors.RefusedError, words: texts.Texts) -> pages.Fault | None:
    """None for what the code of the second factor says itself."""
    if isinstance(refusal, webhook_endpoint.EndpointUnfitError):
        return pages.Fault(field=refusal.field, message=words.gettext(SENTENCES[refusal.field]))
    if isinstance(refusal, overlap.OverlapUnfitError):
        return renewal.fault(words)
    found = SENTENCES.get(refusal.code)
    return pages.Fault(message=words.gettext(found)) if found else None
