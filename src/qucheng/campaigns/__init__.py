"""Offers of a brand, and claims: a person takes a card of an offer's pool, once in each period.

States of an offer: before it begins, running, ended. A claim has one card, which is delivered with it in one transaction; what was
answered with a claim is in the database.
"""
