"""Excerpts for training, as pure functions of seed and number."""
