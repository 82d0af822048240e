"""Subjects of explanations: attributions of single decisions, and the checks on them."""
