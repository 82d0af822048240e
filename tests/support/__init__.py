"""Builders that several files of tests share: encoders, datasets, commands, results and pages."""
