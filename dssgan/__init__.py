"""Semi-supervised adversarial music source separation in TensorFlow 2 / Keras 3."""

import os

# TensorFlow's start-up chatter hides the one line that matters; set it to 0 to read it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

__version__ = "0.1.0"
