"""The page: songs are dropped, separated in a process of their own, and heard stem by stem.

`python -m dssgan.app` starts it; no TensorFlow where the separator has a file for ONNX Runtime.
"""
