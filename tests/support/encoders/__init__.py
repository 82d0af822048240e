"""Tiny encoders, their checkpoints and devices, and what they compute by transformers alone."""
