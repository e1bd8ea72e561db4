"""A bidirectional LSTM that keeps the processor's matrix units busy.

Hochreiter and Schmidhuber 1997, in the form of Keras and PyTorch: gates in the order input, forget,
cell, output. What makes it fast on a CPU:

* the input projections of all steps are one matrix product;
* everything element-wise of a step is one piece compiled by XLA, the bias included, and the
  logistic function is taken from tanh, which is cheaper: σ(x) = tanh(x / 2) / 2 + 1 / 2;
* the two directions are two loops that do not wait for one another: a core each;
* sequences come steps first, so that a step is a slice that needs no copy;
* the gradient is written out: a loop carries back what depends on the step before alone, and the
  gradients of all kernels are three matrix products over all steps at once.
"""

import itertools

import tensorflow as tf

from dssgan.models.layers.fused import compiled
from dssgan.portable import is_portable
from dssgan.products import matmul

CLOSED = 1e4  # how far below zero a gate lets nothing through, whatever else it hears
_numbers = itertools.count()


@compiled
def _step(projected, recurrent, bias, cell):
    """One step: (hidden, cell, activated gates (rows, 4 · units))."""
    z = tf.cast(projected, tf.float32) + tf.cast(recurrent, tf.float32) + bias
    units = cell.shape[-1]
    entry, forget, candidate, output = _activated(z, units)
    cell = forget * cell + entry * candidate
    hidden = output * tf.tanh(cell)
    gates = tf.concat([entry, forget, candidate, output], -1)
    return tf.cast(hidden, projected.dtype), cell, tf.cast(gates, projected.dtype)


@compiled
def _plain_step(projected, recurrent, bias, cell):
    """`_step` where nobody will ask for a gradient."""
    z = tf.cast(projected, tf.float32) + tf.cast(recurrent, tf.float32) + bias
    entry, forget, candidate, output = _activated(z, cell.shape[-1])
    cell = forget * cell + entry * candidate
    return tf.cast(output * tf.tanh(cell), projected.dtype), cell


def _activated(z, units):
    parts = [z[..., part * units : (part + 1) * units] for part in range(4)]
    entry, forget, output = (0.5 * tf.tanh(0.5 * parts[part]) + 0.5 for part in (0, 1, 3))
    return entry, forget, tf.tanh(parts[2]), output


@compiled
def _step_back(gates, cell, before, grad_hidden, grad_recurrent, grad_cell):
    """Gradients of one step: (of z (rows, 4 · units), of the cell before)."""
    units = cell.shape[-1]
    gates = tf.cast(gates, tf.float32)
    entry, forget, candidate, output = (
        gates[..., part * units : (part + 1) * units] for part in range(4)
    )
    grad = tf.cast(grad_hidden, tf.float32) + tf.cast(grad_recurrent, tf.float32)
    squashed = tf.tanh(cell)
    grad_cell = grad_cell + grad * output * (1.0 - squashed * squashed)
    grad_z = [
        grad_cell * candidate * entry * (1.0 - entry),
        grad_cell * before * forget * (1.0 - forget),
        grad_cell * entry * (1.0 - candidate * candidate),
        grad * squashed * output * (1.0 - output),
    ]
    return tf.cast(tf.concat(grad_z, -1), grad_hidden.dtype), grad_cell * forget


def _flat(x):
    return tf.reshape(x, (-1, x.shape[-1]))


def _list(dtype, steps, rows, width):
    return tf.TensorArray(dtype, steps, element_shape=(rows, width), clear_after_read=False)


def _repeat(step, steps, start):
    variables = (tf.constant(0), *start)
    return tf.while_loop(lambda count, *_: count < steps, step, variables, maximum_iterations=steps)


def _loop(x, kernel, recurrent, bias, reverse: bool, keep: bool):
    """Run one direction: lists of hidden states, cells and gates (the latter two if to `keep`)."""
    steps, rows = x.shape[:2]
    units = recurrent.shape[0]
    projected = tf.reshape(matmul(_flat(x), kernel), (steps, rows, 4 * units))
    lists = [_list(x.dtype, steps, rows, units)]
    if keep:
        lists += [_list(tf.float32, steps, rows, units), _list(x.dtype, steps, rows, 4 * units)]

    def step(count, hidden, cell, lists):
        place = steps - 1 - count if reverse else count
        function = _step if keep else _plain_step
        hidden, cell, *gates = function(projected[place], matmul(hidden, recurrent), bias, cell)
        found = [hidden, cell, *gates]
        return count + 1, hidden, cell, [a.write(place, b) for a, b in zip(lists, found)]

    start = tf.zeros((rows, units), x.dtype), tf.zeros((rows, units))
    return _repeat(step, steps, (*start, lists))[-1]


def _loop_back(gates, cells, grad, recurrent, reverse: bool):
    """Gradients of the projections (steps, rows, 4 · units)."""
    steps, rows, units = grad.shape
    transposed = tf.transpose(recurrent)
    zero = tf.zeros((rows, units))

    def step(count, grad_recurrent, grad_cell, found):
        place = count if reverse else steps - 1 - count
        earlier = place + 1 if reverse else place - 1
        first = tf.equal(count, steps - 1)
        before = tf.cond(first, lambda: zero, lambda: cells.read(earlier))
        grad_z, grad_cell = _step_back(
            gates.read(place), cells.read(place), before, grad[place], grad_recurrent, grad_cell
        )
        return count + 1, matmul(grad_z, transposed), grad_cell, found.write(place, grad_z)

    start = tf.zeros((rows, units), grad.dtype), zero, _list(grad.dtype, steps, rows, 4 * units)
    return _repeat(step, steps, start)[-1].stack()


def _one_operation(x, kernel, recurrent, bias, reverse: bool):
    """A direction as TensorFlow's own operation, which other formats have one of too."""
    rows, units = tf.shape(x)[1], recurrent.shape[0]
    x = tf.reverse(x, [0]) if reverse else x
    zero, unused = tf.zeros((rows, units), x.dtype), tf.zeros((units,), x.dtype)
    hidden = tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.shape(x, tf.int64)[0],
        x=x,
        cs_prev=zero,
        h_prev=zero,
        w=tf.concat([kernel, recurrent], 0),
        wci=unused,
        wcf=unused,
        wco=unused,
        b=tf.cast(bias, x.dtype),
        cell_clip=0.0,
        use_peephole=False,
    ).h
    return tf.reverse(hidden, [0]) if reverse else hidden


def _known_to_lite(x, kernel, recurrent, bias, reverse: bool):
    """A direction as a function that TensorFlow Lite's converter makes one operation of.

    It knows Keras's LSTM by these attributes and by the order of arguments and results. Its state
    is never set to zero again: a chunk would begin with that of the chunk before. So a step goes
    first, with one more input, that closes all gates.
    """

    def standard_lstm(x, hidden, cell, kernel, recurrent, bias):
        found = _one_operation(x, kernel, recurrent, bias, False)
        return hidden, found, hidden, cell, tf.constant(0.0)

    attributes = {
        "api_implements": f"lstm_{next(_numbers)}",
        "api_preferred_device": "CPU",
        "time_major": True,
        "go_backwards": False,
    }
    function = tf.function(standard_lstm, autograph=False, experimental_attributes=attributes)
    zero = tf.zeros((x.shape[1], recurrent.shape[0]), x.dtype)
    x = tf.pad(tf.reverse(x, [0]) if reverse else x, [[0, 0], [0, 0], [0, 1]])
    x = tf.pad(x, [[1, 0], [0, 0], [0, 0]], constant_values=1.0)
    kernel = tf.concat([kernel, tf.fill((1, kernel.shape[1]), -CLOSED)], 0)
    hidden = function(x, zero, zero, kernel, recurrent, bias)[1][1:]
    return tf.reverse(hidden, [0]) if reverse else hidden


def direction(x, kernel, recurrent, bias, reverse: bool = False, training: bool = False):
    """One direction of an LSTM whose state begins with zeros.

    Args:
      x: (steps, rows, inputs), float32 or bfloat16; the shape must be known.
      kernel: (inputs, 4 · units). recurrent: (units, 4 · units), both of the type of x.
      bias: (4 · units,), float32. Gates come in the order input, forget, cell, output.
      reverse: run from the last step to the first; the result stays in the order of x.
      training: keep what a gradient needs, 6 · units numbers per step and row; without it, the
        gradient is TensorFlow's own, and slow.

    Returns:
      (steps, rows, units).
    """
    if is_portable("tflite"):
        return _known_to_lite(x, kernel, recurrent, bias, reverse)
    if is_portable():
        return _one_operation(x, kernel, recurrent, bias, reverse)
    if not training:
        return _loop(x, kernel, recurrent, bias, reverse, False)[0].stack()

    @tf.custom_gradient
    def run(x, kernel, recurrent, bias):
        hidden, cells, gates = _loop(x, kernel, recurrent, bias, reverse, True)
        hidden = hidden.stack()

        def gradient(grad):
            grad_z = _loop_back(gates, cells, grad, recurrent, reverse)
            before, after = (hidden[1:], grad_z[:-1]) if reverse else (hidden[:-1], grad_z[1:])
            return (
                tf.reshape(matmul(_flat(grad_z), kernel, transpose_b=True), x.shape),
                matmul(_flat(x), _flat(grad_z), transpose_a=True),
                matmul(_flat(before), _flat(after), transpose_a=True),
                tf.reduce_sum(tf.cast(_flat(grad_z), tf.float32), 0),
            )

        return hidden, gradient

    return run(x, kernel, recurrent, bias)
