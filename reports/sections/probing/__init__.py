"""Sections on probes: scores, floors, controls and the geometry of layers."""
