"""What a classifier does with its hidden states: gradients, attention, ablation and erasure. Imports `attribution`."""
