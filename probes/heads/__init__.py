"""Classifiers on an encoder: probe heads, a checkpoint's own head, and fine-tuning. Imports `probing` and `encoder`."""
