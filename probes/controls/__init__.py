"""Measurements that tell whether a probe's score means something. Imports `probing`."""
