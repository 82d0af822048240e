"""Pooled vectors to fitted probes, their scores and floors. Imports `features` and `statistics`."""
