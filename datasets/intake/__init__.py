"""Contributed multitracks: named, checked, and written as folders of songs."""
