"""Whole analyses on nulls and on planted truths, and the share of pages that claim something. `make nulls` counts them.

An analysis is what `layerprobe layers`, `heads` or `attribute` makes of stored features of a real encoder; the files
are named after the stages of the count: `material`, the kinds of analyses, `positive_claims`, `counts`.
"""
