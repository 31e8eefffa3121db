"""Who is who, over all brands. So far: the brand, its policy and its settlement terms.

Invariant, held by the database: a brand's limits are at most those of its compliance policy.
"""
