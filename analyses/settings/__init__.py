"""Flags, one file a group, and the values they stand for."""
