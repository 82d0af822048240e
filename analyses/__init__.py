"""Runnable questions: each module here with a `Settings` and a `run` is one."""
