"""Summaries, tables, pictures and the page."""
