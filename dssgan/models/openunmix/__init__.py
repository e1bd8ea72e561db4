"""Open-Unmix: an LSTM per source on magnitude spectra, and its Wiener filter."""
