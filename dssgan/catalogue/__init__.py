"""`python -m dssgan.catalogue`: the separators of this machine by name, and public ones."""
