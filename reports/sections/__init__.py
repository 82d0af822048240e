"""A result's tables and claims to sections of the page, one file a subject."""
