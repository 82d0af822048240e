"""Sections on the errors of the best probe: the classes it confuses, and its calibration."""
