"""The layers of the Wavenet: convolutions of three taps as matrix products.

As in the mask network (`models.layers.fused`), matrix products run in TensorFlow's own kernels and
what lies between them is compiled, once per length: the dilation is an argument. Training keeps two
tensors per block, its input and the input of its gate, and computes the rest again on the way back.

Tensors are (batch, samples, channels); kernels of three taps are (3 · channels, outputs), the
earliest tap first. Residuals and skips are float32 whatever the products compute in.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from dssgan.models.layers.fused import compiled
from dssgan.portable import is_portable
from dssgan.products import matmul

ROWS = 2048  # samples that the wide layers work on at a time, so that the cache holds them


def product(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """(batch, samples, channels) times a (channels, outputs) matrix, in the precision of x."""
    rows = matmul(tf.reshape(x, (-1, x.shape[-1])), tf.cast(kernel, x.dtype))
    return tf.reshape(rows, (-1, x.shape[1], rows.shape[-1]))


def taps(x: tf.Tensor) -> tf.Tensor:
    """(batch, n, channels) → (batch, n − 2, 3 · channels): three samples in a row, for a product"""
    inside = x.shape[1] - 2
    return tf.concat([x[:, place : place + inside] for place in range(3)], -1)


def block(
    x, skip, dilated, mixing, dilation: int, largest: int, dtype: tf.DType = tf.float32
) -> tuple[tf.Tensor, tf.Tensor]:
    """A residual block (arXiv 1810.12187, figure 1); beyond its input there are zeros.

    Args:
      x: (batch, n, residual channels), float32.
      skip: the sum so far, (batch, m, skip channels), float32: of the m samples in the middle.
      dilated: (3 · residual, 2 · residual): to the signal, then to what lets it through.
      mixing: (residual, residual + skip).
      dilation: distance of the taps. largest: of any block.
      dtype: of the matrix products.

    Returns:
      (x, skip) behind the block, of the same shapes.
    """
    pieces = _pieces(x.shape[1], skip.shape[1], largest, dtype)
    distance = tf.constant(dilation)

    @tf.custom_gradient
    def run(x, skip, dilated, mixing):
        y = product(pieces.gather(x, distance), dilated)
        outputs = pieces.add(x, skip, product(pieces.gate(y), mixing))

        def gradient(grad_x, grad_skip):
            grad_z = pieces.add_back(grad_x, grad_skip)
            gated, grad_y = pieces.gate_back(y, product(grad_z, tf.transpose(mixing)))
            grad_taps = product(grad_y, tf.transpose(dilated))
            return (
                pieces.gather_back(grad_taps, grad_x, distance),
                grad_skip,
                _weight_gradient(pieces.gather(x, distance), grad_y),
                _weight_gradient(gated, grad_z),
            )

        return outputs, gradient

    return run(x, skip, dilated, mixing)


def inference_block(
    x, skip, dilated, mixing, dilation: int, largest: int, dtype: tf.DType = tf.float32
) -> tuple[tf.Tensor, tf.Tensor]:
    """`block` where no gradient is wanted: the taps are taken of what the products give.

    Moving and adding their outputs is part of the gate's one pass, where gathering the inputs
    first is a pass of its own.

    Args:
      x: (batch, n + 2 · largest, residual channels), float32, with `largest` zeros at both ends.
      The rest: as of `block`.

    Returns:
      (x, skip) behind the block, of the same shapes.
    """
    pieces = _pieces(x.shape[1] - 2 * largest, skip.shape[1], largest, dtype)
    low = tf.cast(x, dtype)
    seen = [product(low, kernel) for kernel in tf.split(tf.convert_to_tensor(dilated), 3)]
    gated = pieces.open(*seen, tf.constant(dilation))
    return pieces.add_inside(x, skip, product(gated, mixing))


def halves(y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The signal of a gate and what lets it through, float32, from their inputs side by side."""
    signal, opening = tf.split(tf.cast(y, tf.float32), 2, -1)
    return tf.tanh(signal), tf.sigmoid(opening)


def _weight_gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """Gradient of `product` with respect to its matrix, float32."""
    flat = (tf.reshape(value, (-1, value.shape[-1])) for value in (x, upstream))
    return tf.cast(matmul(*flat, transpose_a=True), tf.float32)


class _Pieces:
    """What lies between the matrix products of blocks of one length, and its gradients.

    Args:
      length: of the residuals. field: of the skips, in their middle.
      largest: dilation. dtype: of the matrix products.
    """

    def __init__(self, length: int, field: int, largest: int, dtype: tf.DType):
        self.length, self.largest, self.dtype = length, largest, dtype
        self.before = (length - field) // 2
        self.field = field
        for name in ("gather", "gather_back", "gate", "gate_back", "add", "add_back"):
            setattr(self, name, compiled(getattr(self, "_" + name)))
        self.open, self.add_inside = compiled(self._open), compiled(self._add_inside)

    def _shifted(self, x, by):
        """Sample t is x[t + by], zero beyond the ends; `by` is a tensor."""
        padded = tf.pad(x, [[0, 0], [self.largest, self.largest], [0, 0]])
        return tf.slice(padded, [0, self.largest + by, 0], [-1, self.length, -1])

    def _gather(self, x, distance):
        x = tf.cast(x, self.dtype)
        return tf.concat([self._shifted(x, -distance), x, self._shifted(x, distance)], -1)

    def _gather_back(self, upstream, grad_x, distance):
        """Gradient of the block's input: of its taps, and of what goes past them."""
        early, now, late = tf.split(tf.cast(upstream, tf.float32), 3, -1)
        return grad_x + now + self._shifted(early, distance) + self._shifted(late, -distance)

    def _gate(self, y):
        signal, opening = halves(y)
        return tf.cast(signal * opening, self.dtype)

    def _gate_back(self, y, upstream):
        """The gate's output once more, and the gradient of its input."""
        signal, opening = halves(y)
        upstream = tf.cast(upstream, tf.float32)
        grad_signal = upstream * opening * (1.0 - signal * signal)
        grad_opening = upstream * signal * opening * (1.0 - opening)
        grad = tf.concat([grad_signal, grad_opening], -1)
        return tf.cast(signal * opening, self.dtype), tf.cast(grad, self.dtype)

    def _add(self, x, skip, z):
        width = x.shape[-1]
        z = tf.cast(z, tf.float32)
        kept = z[:, self.before : self.before + self.field, width:]
        return x + z[..., :width], skip + kept

    def _open(self, early, now, late, distance):
        """The gate's output, of products of an input with `largest` zeros at both ends."""
        starts = (self.largest - distance, self.largest, self.largest + distance)
        moved = [
            tf.cast(tf.slice(part, [0, start, 0], [-1, self.length, -1]), tf.float32)
            for part, start in zip((early, now, late), starts)
        ]
        return self._gate(sum(moved))

    def _add_inside(self, x, skip, z):
        inside = slice(self.largest, self.largest + self.length)
        x, skip = self._add(x[:, inside], skip, z)
        return tf.pad(x, [[0, 0], [self.largest, self.largest], [0, 0]]), skip

    def _add_back(self, grad_x, grad_skip):
        around = [self.before, self.length - self.field - self.before]
        grad_skip = tf.pad(grad_skip, [[0, 0], around, [0, 0]])
        return tf.cast(tf.concat([grad_x, grad_skip], -1), self.dtype)


@functools.lru_cache(maxsize=64)
def _pieces(length: int, field: int, largest: int, dtype: tf.DType) -> _Pieces:
    return _Pieces(length, field, largest, dtype)


def one_by_one(function: Callable[[tf.Tensor], tf.Tensor], pieces: tf.Tensor) -> tf.Tensor:
    """`function` of each (pieces, …), one after another; results on the first axis too."""
    if is_portable("tflite"):  # which has no lists of tensors, and so no loop that fills one
        return tf.stack([function(piece) for piece in tf.unstack(pieces)])
    return tf.map_fn(function, pieces, parallel_iterations=1)


def wide_layers(x: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """relu(taps(x) @ first) @ second, piece by piece: the wide layer is never there as a whole.

    Args:
      x: (batch, n, inputs) in the precision of the products.
      first: (3 · inputs, wide). second: (wide, outputs).

    Returns:
      float32 (batch, n − 2, outputs).
    """
    inside, inputs = x.shape[1] - 2, x.shape[2]
    # A variable would get its gradient twice: as an argument and as a variable that is read.
    first, second = tf.convert_to_tensor(first), tf.convert_to_tensor(second)
    size = max(2, min(inside, ROWS // (x.shape[0] or 1)))
    parts = -(-inside // size)
    pieces = tf.pad(x, [[0, 0], [0, (parts + 1) * size - inside - 2], [0, 0]])
    pieces = tf.reshape(pieces, (-1, parts + 1, size, inputs))
    pieces = tf.concat([pieces[:, :-1], pieces[:, 1:, :2]], 2)  # each with what comes behind it

    @tf.recompute_grad
    def part(piece, first, second):
        return product(tf.nn.relu(product(taps(piece), first)), second)

    found = one_by_one(lambda piece: part(piece, first, second), tf.transpose(pieces, (1, 0, 2, 3)))
    found = tf.reshape(tf.transpose(found, (1, 0, 2, 3)), (-1, parts * size, second.shape[-1]))
    return tf.cast(found[:, :inside], tf.float32)
