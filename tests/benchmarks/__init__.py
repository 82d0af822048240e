"""Measured ratios against named rivals; `python -m tests.benchmarks` prints them."""
