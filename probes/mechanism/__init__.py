"""Measurements of how a classifier uses its hidden states: gradients, attention, ablation and erasure."""
