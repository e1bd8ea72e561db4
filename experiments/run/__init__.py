"""One run: its configuration, folder, checks and command."""
