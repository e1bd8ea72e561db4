"""Folders of the machines that the project was written on, which no document may name."""

FOLDERS = ("root", "work")


def machine_paths(text):
    """Those that a text names."""
    return [name for name in FOLDERS if f"/{name}/" in text]
