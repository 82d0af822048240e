"""Data frames to figures, one file a family of charts. The only folder that imports seaborn and matplotlib."""
