"""Read-only views over all rooms: whether the books agree with themselves, and the life of one figure.

It writes nothing but what a check found.
"""
