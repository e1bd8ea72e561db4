"""What is done to a song before it is separated, and to its stems after; no TensorFlow here."""
