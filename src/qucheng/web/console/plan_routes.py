"""The doors of commission plans."""

from __future__ import annotations

from qucheng.web.console import plan_edit, plan_import, plan_rule, plan_simulations, plan_submit, plan_trial, plans

ROUTES = (
    plans.listing,
    plans.show,
    plans.certificate,
    plans.refused,
    plan_edit.open_,
    plan_edit.show,
    plan_edit.drop,
    plan_edit.restore,
    plan_edit.update,
    plan_edit.doubt,
    plan_edit.discard,
    plan_rule.form,
    plan_rule.save,
    plan_import.form,
    plan_import.take_in,
    plan_submit.form,
    plan_submit.submit,
    plan_submit.withdraw,
    plan_trial.show,
    plan_simulations.listing,
    plan_simulations.ask,
    plan_simulations.show,
    plan_simulations.export,
)
