"""What is sold, where, and at what price: SKUs, channels, channel prices.

Invariant, held by the database: one price for a SKU, channel, tier and starting date.
"""
