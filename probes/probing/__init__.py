"""Pooled vectors to probes at every site, their scores and floors. Imports `features` and `logistic`."""
