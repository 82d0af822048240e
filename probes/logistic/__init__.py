"""Logistic-regression probes, how they are fitted, and their files. Imports `statistics`."""
