"""The mask network of the causal variant: convolutions look back, norms know the past alone."""

from typing import Any

import tensorflow as tf

from dssgan.models.layers import fused, running_norm
from dssgan.models.meta_tasnet.mask_network import NORM_GROUPS, MaskNetwork
from dssgan.products import matmul


class CausalMaskNetwork(MaskNetwork):
    """As `MaskNetwork`, with the same weights; a signal may come in pieces.

    Args:
      memory: of the running norms, in frames.
      **sizes: as of `MaskNetwork`.
    """

    def __init__(self, *, memory: float, **sizes):
        super().__init__(**sizes)
        self.memory = memory

    def start(self, batch) -> dict[str, Any]:
        """The state before the first frame."""
        norms = 4 + 2 * len(self.dilations)
        held = [(self.kernel - 1) * dilation for dilation in self.dilations]
        return {
            "weight": tf.zeros(()),
            "norms": [running_norm.start(batch, self.sources, NORM_GROUPS) for _ in range(norms)],
            "held": [tf.zeros((batch, self.sources, frames, self.hidden)) for frames in held],
        }

    def call(self, latent, previous, kernels, keep=None):
        """Separated latents as of `MaskNetwork.call`, from silence on."""
        state = self.start(latent.shape[0] or tf.shape(latent)[0])
        return self.advance(latent, previous, kernels, state, keep)[0]

    def advance(self, latent, previous, kernels, state, keep=None):
        """`call` for frames that follow those that `state` is of; returns the state with it."""
        norms, held = iter(state["norms"]), iter(state["held"])
        following: dict[str, Any] = {"norms": [], "held": []}

        def statistics(x, slope, epsilon=running_norm.EPSILON):
            first, second = running_norm.group_means(NORM_GROUPS)(x, slope)
            mean, deviation, behind = running_norm.running(
                first, second, next(norms), state["weight"], self.memory, epsilon
            )
            following["norms"].append(behind)
            return mean, deviation

        def normalised(x, slope, name, epsilon=running_norm.EPSILON):
            found = statistics(x, slope, epsilon)
            return running_norm.normalised(x, slope, *found, kernels[name][0])

        def convolved(x, kernel):
            return matmul(x, tf.cast(kernel, x.dtype))

        x = tf.repeat(latent[:, None], self.sources, axis=1)
        if previous is not None:
            x = tf.concat([x, previous], -1)
        if keep is not None:
            x *= tf.cast(keep[:, :, None, :], x.dtype)
        # The one norm whose input has the level of the signal.
        x = normalised(x, self.slopes[0], "norm_1", fused.EPSILON)
        x = convolved(x, kernels["in_conv"][0])
        x = normalised(x, self.slopes[1], "norm_2")
        skip, one = tf.zeros_like(x), tf.ones(())
        bias = kernels.get("residual_skip_bias")
        slopes = [tf.unstack(pair) for pair in tf.unstack(self.block_slopes)]
        for block, dilation in enumerate(self.dilations):
            y = convolved(x, kernels["expand"][block])
            y, behind = running_norm.depthwise(dilation)(
                y,
                slopes[block][0],
                *statistics(y, slopes[block][0]),
                kernels["block_norm_1"][block],
                kernels["depthwise"][block],
                slopes[block][1],
                next(held),
            )
            following["held"].append(behind)
            affine = kernels["block_norm_2"][block]
            y = running_norm.normalised(y, one, *statistics(y, one), affine)
            y = convolved(y, kernels["residual_skip"][block])
            offset = tf.zeros((1, 1, 1, 1)) if bias is None else bias[block][None, :, None, :]
            x, skip = fused.add_residual_skip(x, skip, y, offset)
        y = convolved(normalised(skip, self.slopes[2], "norm_3"), kernels["mask_output"][0])
        logits = normalised(y, self.slopes[3], "norm_4")
        masks = tf.nn.softmax(tf.cast(logits, tf.float32), axis=1)
        following["weight"] = running_norm.count(latent.shape[-2], state["weight"], self.memory)[-1]
        return tf.cast(masks * tf.cast(latent, tf.float32)[:, None], latent.dtype), following
