"""What the authors of the original systems published, read without their programs."""
