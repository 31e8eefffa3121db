"""What stands out in a brand's sales and network: alerts with the figures they were found by, and what people thought of them.

An alert is open, then confirmed or dismissed by a person, with a reason, once. What is looked for and from when on is versioned;
who looks is a room above, and hands what it found to this one. Nothing happens to anybody by an alert alone.
"""
