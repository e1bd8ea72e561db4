"""What is seen of a training: validation, curves, progress."""
