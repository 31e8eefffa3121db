"""What the checks of the schema let pass, each with its reason; and the tables that are history."""

from __future__ import annotations

# no brand_id, and why that is right
WITHOUT_BRAND = {
    "brand": "its id is the brand_id of all others, and its policy reads that",
    "migration": "Piccolo's list of what was applied",
    "task": "the platform's own, of all brands: ids, codes and counts",
    "schedule": "the platform's own: names and times",
    "process": "the platform's own: which processes run",
    "person": "people of all brands and none: fingerprints, hashes and ciphertext",
    "sign_in_failure": "asked before anybody is known: fingerprints and networks",
    "sign_in_pressure": "asked before anybody is known: fingerprints and counts",
    "second_factor": "a person's, not a brand's: ciphertext",
    "recovery_code": "a person's, not a brand's: hashes",
    "session": "found by its token before the brand is known: ids, hashes, the device's name and network",
    "password_reset": "a person's, not a brand's: hashes",
    "letter": "to anybody: ciphertext, wiped when sent",
}

# nullable columns of foreign keys, and what a blank means
NULLABLE_REFERENCES = {
    "reseller.parent": "a root has none",
    "placement.parent": "a root has none",
    "channel_price.channel": "the base price",
    "channel_price.tier": "any tier",
    "rule.sku": "any SKU",
    "rule.channel": "any channel",
    "rule.tier": "any tier",
    "membership.reseller": "people of the brand or the platform are of none",
    "membership.granted_by": "the platform itself",
    "membership.revoked_by": "it stands, or the platform itself",
    "invitation.reseller": "people of the brand or the platform are of none",
    "invitation.invited_by": "the platform itself",
    "invitation.accepted_by": "nobody yet",
    "audit_record.user_id": "the platform itself",
    "approval.checker": "nobody yet",
}

APPEND_ONLY = (
    "accrual",
    "reversal",
    "bonus",
    "adjustment",
    "statement",
    "statement_accrual",
    "statement_reversal",
    "statement_adjustment",
    "journal_entry",
    "posting",
    "order_line",
    "refund",
    "placement",
    "statement_document",
    "books_check",
    "audit_record",
    "audit_seal",
)
