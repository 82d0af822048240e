"""Sections on probes, their floors and controls, and on the layers of the encoder."""
