"""Model checkpoints: what a folder or hub model holds, whether it can be read, and how it is loaded or built anew."""
