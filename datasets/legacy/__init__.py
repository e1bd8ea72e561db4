"""The original DSSGAN's dataset.pkl."""
