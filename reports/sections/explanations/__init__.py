"""Sections on attributions and their checks."""
