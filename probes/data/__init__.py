"""Labelled texts and their splits. Imports no other folder, and knows neither files nor models."""
