"""Songs rendered from MIDI files."""
