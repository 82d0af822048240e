"""Texts to the hidden states of every layer. Imports `checkpoints`."""
