"""Whole songs in constant memory."""
