"""Sections on fine-tuned classifiers."""
