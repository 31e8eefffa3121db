"""Doors of offers, of stores and terminals, of redemption rules, and of what terminals were answered."""

from __future__ import annotations

from qucheng.web.console import offers, redemption_rules, redemptions, stores, stores_import, terminals

ROUTES = (
    offers.show,
    offers.form,
    offers.create,
    offers.one,
    offers.code_file,
    offers.poster,
    offers.doubt,
    offers.end,
    stores.show,
    stores.new,
    stores.create,
    stores_import.form,
    stores_import.send,
    stores.one,
    stores.edit,
    stores.change,
    stores.doubt,
    stores.close,
    terminals.form,
    terminals.add,
    terminals.doubt,
    terminals.end,
    redemption_rules.show,
    redemption_rules.change,
    redemptions.show,
    redemptions.take,
    redemptions.one,
    redemptions.ask,
)
