"""The chain of notebooks, the command, and the start page."""
