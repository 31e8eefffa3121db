"""Double entry, append-only: accounts, journal entries, postings.

Invariants, held by the database: an entry has at least two legs, its debits equal its credits when it is committed, and
nothing is added to it, changed or removed later. A correction is another entry.
"""
