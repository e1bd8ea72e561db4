"""What was tried, how it was recorded, and how it compares."""
