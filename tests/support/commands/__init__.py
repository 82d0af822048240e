"""Command lines over small files, and the processes and streams that they run with."""
