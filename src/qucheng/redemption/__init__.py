"""Redemption: stores and their terminals, the rules of a SKU, and what became of every card that was presented.

A card is redeemed once, in one transaction with the row of the answer; whoever asks again with the same key gets the same answer.
A redemption is undone within five minutes by the terminal that redeemed, later with approval. A key that was reversed before it
came is blocked for good. Every answer is kept with what it was judged by, and judged again it is the same.
"""
