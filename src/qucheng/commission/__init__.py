"""What a sale earns: rules, accruals, reversals, own volume.

Lines and refunds become entries in one kernel (kernel.sql), set by set. Invariants, held by the database: one accrual for a
line and level, entries are append-only, a reversal only takes away.
"""
