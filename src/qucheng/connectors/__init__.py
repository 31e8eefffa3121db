"""Ports to others, each with an implementation that reaches nobody."""
