"""Doors for the worker: each kind of task, and the one call into a room that does it."""
