"""What a sale earns: rules, the plan by versions, accruals, reversals, own volume.

Lines and refunds become entries in one kernel (kernel.sql), set by set. A plan changes by versions: draft, submitted, approved,
or discarded. Invariants, held by the database: one accrual for a line and level, entries are append-only, a reversal only takes
away and has a later version only while it is on no statement; rules are never changed, end once, and come from a version only
with the approval of another person for just its text.
"""
