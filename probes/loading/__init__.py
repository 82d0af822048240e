"""Labelled texts from files, saved datasets and hub names. Imports `data`."""
