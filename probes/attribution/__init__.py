"""A decision to scores of tokens and words. Imports `heads`."""
