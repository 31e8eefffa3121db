"""Who sells: tiers, resellers, and where each stood when.

A reseller joins under a parent (or as a root) in a tier; placements move it later. Invariants, held by the database too:
nobody stands deeper than the brand's depth cap at any time, nobody above itself, and under `intl` no root has 30 heads or
more together with a chain of three persons.

Somebody applies and is admitted or rejected; a reseller is active, frozen or closed; an agreement that was published never changes.
Who a person is stands here as ciphertext only. Also kept: reports of each month, texts to resellers, and what was refused to whom.
"""
