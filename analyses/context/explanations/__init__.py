"""Explanations of decisions as the subjects share them: heads and texts, attributions, and means over texts."""
