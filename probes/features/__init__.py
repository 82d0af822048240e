"""Hidden states to pooled vectors on disk. Imports `encoder`."""
