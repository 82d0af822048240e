"""Folders and hub names of models: what they hold, and whether it fits together."""
