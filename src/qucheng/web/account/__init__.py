"""Doors of everybody: signing in and out, the second factor, one's roles, devices, password, and letters that lead here."""

from __future__ import annotations

from qucheng.web.account import enrolment, home, letters, notifications, password, replacement, roles, second_factor, sign_in

ROUTES = (
    home.landing,
    home.profile,
    home.language,
    home.devices,
    home.end_device,
    home.end_others,
    sign_in.show,
    sign_in.send,
    sign_in.leave,
    second_factor.show,
    second_factor.send,
    enrolment.show,
    enrolment.begin,
    enrolment.confirm,
    enrolment.renew_codes,
    replacement.show,
    replacement.begin,
    replacement.confirm,
    notifications.listing,
    notifications.open_,
    notifications.read,
    notifications.read_all,
    notifications.settings,
    notifications.choose,
    roles.show,
    roles.choose,
    password.show,
    password.change,
    letters.forgotten,
    letters.ask,
    letters.fresh_password,
    letters.set_password,
    letters.invitation,
    letters.look,
    letters.accept,
)
