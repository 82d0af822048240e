"""Subjects of the report, one file each: its tables and its claims."""
