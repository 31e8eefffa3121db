"""The web's doors: they translate a request into one call of a room and its answer into a response."""
