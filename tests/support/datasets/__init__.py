"""Texts and labels in every form: in memory, in files, as features."""
