"""What an analysis leaves behind: frozen values, their schema, and the folder that holds them. Imports no torch."""
