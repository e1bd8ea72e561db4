"""The record of a run, in files and in MongoDB."""
