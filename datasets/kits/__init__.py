"""Drum kits of recorded hits, and performances played on them."""
