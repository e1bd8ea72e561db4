"""The Wavenet for source separation (Lluís, Pons and Serra, 2019)."""
