"""Subjects of a fine-tuned classifier: how it was trained, and what it does with the states of its encoder."""
