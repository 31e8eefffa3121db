"""What every room stands on and no room owns: settings, money, ids, time, the database, the outbox, audit, secrets, files,
languages, and the two servers of a checkout that names none (`embedded`). It imports no room.
"""
