"""Separators in formats that other programs run."""
