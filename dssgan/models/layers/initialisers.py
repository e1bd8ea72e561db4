"""Initial weights."""

import keras
import numpy as np


def uniform_fan_in(fan_in: int) -> keras.initializers.Initializer:
    """PyTorch's default for linear and convolution layers: uniform within ±1/sqrt(fan_in)."""
    bound = 1.0 / np.sqrt(fan_in)
    return keras.initializers.RandomUniform(-bound, bound)


def glorot(inputs: int, outputs: int):
    """Glorot's uniform initialiser for given numbers of inputs and outputs of a neuron."""
    limit = (6.0 / (inputs + outputs)) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)
