"""Who is who, over all brands: the brand with its policy and terms; people, how they prove it is they, and what they may do where;
and what one asks for and another allows.

States: a person is active, locked or closed; a membership stands or is revoked; an invitation waits, is taken up or withdrawn; an
approval is waiting, approved or rejected, executed or expired.

Invariants, held by the database: a brand's limits are at most those of its compliance policy; a login is one person's; a role
and its place go together and are revoked once; an approval is decided by another than its maker, in time, as it was asked, and
executed once. Names, logins, secrets and tokens stand there sealed or hashed.
"""
