"""What the command does around an analysis: printing, signals and the folders it writes."""
