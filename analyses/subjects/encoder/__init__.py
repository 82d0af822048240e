"""Subjects of the encoder whatever the labels: spread of its vectors, similarity of its layers, special tokens."""
