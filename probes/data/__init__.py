"""Labelled texts and their splits. Imports nothing that knows files or models."""
