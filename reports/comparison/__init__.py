"""Several results on one page. Imports `sections`."""
