"""Subjects of probing: scores of probes at every site, and the reference scores and measurements beside them."""
