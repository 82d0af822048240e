"""Sections to HTML, Markdown, data files and notebooks. Imports `sections` and `comparison`."""
