"""Checks of attributions: faithfulness, plausibility, planted shortcuts and randomisation. Imports `attribution`."""
