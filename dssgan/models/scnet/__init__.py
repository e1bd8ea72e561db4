"""SCNet: sparse compression of the spectrum, LSTMs along time and frequency."""
