"""Stock: pools, batches and cards, what is allocated, reserved, drawn, given back, stopped and void; the secrets of the cards.

A card is in one pool, always, and is inactive, available, reserved, delivered, revealed, redeemed, frozen or void. Which of these
it may become, that every change is on record, and that what came in equals what is there (the stock equation), the database holds.
"""
