"""Services of the command line: printing, signals, and the folders that a command writes."""
