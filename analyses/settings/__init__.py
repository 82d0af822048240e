"""Flags, one file a group, and what can be checked before any work."""
