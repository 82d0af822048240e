"""Numbers from arrays: scores, intervals and comparisons. Imports numpy, scipy and scikit-learn only."""
