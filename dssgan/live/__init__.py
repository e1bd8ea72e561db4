"""Separation of a signal that is still running, with a latency that is chosen.

`python -m dssgan.live` takes it from a sound device, a pipe or a file and gives one stem of it.
"""
