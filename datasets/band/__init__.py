"""The synthetic band: songs made of a seed."""
