"""Every system with one budget, and untrained methods."""
