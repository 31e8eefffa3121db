"""Doors of batches, codes and single cards."""

from __future__ import annotations

from qucheng.web.console import batches, card_import, card_stops, trace

ROUTES = (
    batches.show,
    batches.let_resellers,
    batches.form,
    batches.create,
    batches.one,
    batches.release,
    batches.take_report,
    card_import.form,
    card_import.send,
    trace.form,
    trace.find,
    trace.card,
    trace.reveal,
    card_stops.stop_cards,
)
