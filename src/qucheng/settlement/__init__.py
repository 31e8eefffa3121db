"""From entries to paid statements: periods, adjustments, withholding, statements and their documents.

A period is settled once, in order, without gaps. Invariants, held by the database: statement numbers have no gaps, an entry
is on one statement only, each opening is what the last statement carried, and a statement's sums add up.
"""
