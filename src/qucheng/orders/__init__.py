"""Sales and refunds, as they were accepted.

Lines come in intakes; what later sums depend on (chain, tiers, category, cost) is frozen on the line. Invariants, held by
the database: append-only, net = gross - discount >= 0, and refunds never take more than the line.
"""
