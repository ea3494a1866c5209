"""Dock widgets, one for each task, and what they are made of."""
