"""Songs made of audio files."""
