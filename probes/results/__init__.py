"""Results of analyses: frozen values, the schema of their tables and claims, and the folder. Imports no torch."""
