"""Doors of the network's desk: applications, resellers, agreements."""

from __future__ import annotations

from qucheng.web.console import agreements, applications, reseller, reseller_desk, resellers

ROUTES = (
    applications.show,
    applications.one,
    applications.open_facts,
    applications.approve,
    applications.reject,
    resellers.show,
    resellers.take,
    agreements.show,
    agreements.form,
    agreements.publish,
    agreements.one,
    reseller.show,
    reseller.moving,
    reseller.move,
    reseller_desk.choosing,
    reseller_desk.choose,
    reseller_desk.deciding,
    reseller_desk.decide,
    reseller_desk.identity,
    reseller_desk.verify,
    reseller_desk.open_facts,
)
