"""Separators without TensorFlow: an exported model in ONNX Runtime."""
