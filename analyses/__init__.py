"""Analyses that the command line runs: every module of this folder with a `Settings` and a `run` is one."""
