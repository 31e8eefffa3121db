"""A brand's books as a folder: read, check, import, settle, write out.

The room stages every file with COPY into temporary tables, judges each row once (imported, duplicate or rejected), hands
the accepted rows to the rooms that own them, and lets commission and settlement do the sums. Invariant: every input row
ends in exactly one place.
"""
