"""The mask network of Meta-TasNet: one temporal convolutional network per source, run as one.

Order inside a layer is activation → norm → convolution, so that every norm folds into the kernel
behind it (`dssgan.models.layers.fused`). arXiv 2002.07016, section 2; sizes and names follow
Conv-TasNet (arXiv 1809.07454).
"""

import keras
import tensorflow as tf

from dssgan.models.layers import fused
from dssgan.models.layers.initialisers import uniform_fan_in
from dssgan.models.meta_tasnet.source_weights import GeneratedWeight, IndependentWeight, ScaleShift
from dssgan.products import matmul

NORM_GROUPS = 8  # per source


class MaskNetwork(keras.layers.Layer):
    """Masks for every source from the mixture latent (and the previous stage's latents).

    Args:
      sources: how many.
      inputs: channels of mixture latent plus previous latents, in_N.
      outputs: channels of the mixture latent, N.
      bottleneck: B. hidden: H. kernel: taps of the depthwise convolutions (odd).
      layers: dilations 1, 2, 4 … 2^(layers−1). stacks: how often that series repeats.
      generated: weights from an embedding (True) or independent ones.
      embedding_size: E_1. code_size: E_2.
      residual_bias: biases on the residual and skip convolutions.
    """

    def __init__(
        self,
        *,
        sources: int,
        inputs: int,
        outputs: int,
        bottleneck: int,
        hidden: int,
        kernel: int,
        layers: int,
        stacks: int,
        generated: bool,
        embedding_size: int,
        code_size: int,
        residual_bias: bool = False,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        for width, what in ((inputs, "in_N"), (bottleneck, "B"), (hidden, "H"), (outputs, "N")):
            if width % NORM_GROUPS:
                raise ValueError(
                    f"multistage: {what} is {width}, expected a multiple of {NORM_GROUPS} "
                    "(group norm); change N, B or H"
                )
        self.sources, self.inputs, self.outputs = sources, inputs, outputs
        self.bottleneck, self.hidden, self.kernel = bottleneck, hidden, kernel
        self.dilations = [2**layer for layer in range(layers)] * stacks
        self.generated = generated
        self.embedding = None
        if generated:
            self.embedding = self.add_weight(
                shape=(sources, embedding_size),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
                name="embedding",
            )
        blocks = len(self.dilations)
        # name: (copies, numbers per source, fan-in or None for a norm)
        self.layout = {
            "norm_1": (1, 2 * inputs, None),
            "in_conv": (1, inputs * bottleneck, inputs),
            "norm_2": (1, 2 * bottleneck, None),
            "expand": (blocks, bottleneck * hidden, bottleneck),
            "block_norm_1": (blocks, 2 * hidden, None),
            "depthwise": (blocks, kernel * hidden, kernel),
            "block_norm_2": (blocks, 2 * hidden, None),
            "residual": (blocks, hidden * bottleneck, hidden),
            "skip": (blocks, hidden * bottleneck, hidden),
            "norm_3": (1, 2 * bottleneck, None),
            "mask_output": (1, bottleneck * outputs, bottleneck),
            "norm_4": (1, 2 * outputs, None),
        }
        if residual_bias:
            self.layout["residual_bias"] = (blocks, bottleneck, hidden)
            self.layout["skip_bias"] = (blocks, bottleneck, hidden)
        self.weights_of = {}
        for name, (copies, size, fan_in) in self.layout.items():
            if generated:
                layer = GeneratedWeight(size, copies, embedding_size, code_size, name=name)
            else:
                initializer = ScaleShift() if fan_in is None else uniform_fan_in(fan_in)
                layer = IndependentWeight(size, copies, sources, initializer, name=name)
            setattr(self, "weight_" + name, layer)  # Keras tracks attributes
            self.weights_of[name] = layer
        slope = keras.initializers.Constant(0.25)
        self.slopes = self.add_weight(shape=(4,), initializer=slope, name="slopes")
        self.block_slopes = self.add_weight(
            shape=(blocks, 2), initializer=slope, name="block_slopes"
        )
        self.built = True

    def kernels(self) -> dict[str, tf.Tensor]:
        """All weights, name → one (sources, …) tensor per copy; depends on the variables alone."""
        flat = {name: layer(self.embedding) for name, layer in self.weights_of.items()}
        matrices = {
            "in_conv": (self.inputs, self.bottleneck),
            "expand": (self.bottleneck, self.hidden),
            "depthwise": (self.kernel, self.hidden),
            "residual": (self.hidden, self.bottleneck),
            "skip": (self.hidden, self.bottleneck),
            "mask_output": (self.bottleneck, self.outputs),
        }
        for name, shape in matrices.items():
            copies = flat[name].shape[0]
            flat[name] = tf.reshape(flat[name], (copies, self.sources, *shape))
        # Residual and skip share their input: one product instead of two.
        flat["residual_skip"] = tf.concat([flat.pop("residual"), flat.pop("skip")], -1)
        if "skip_bias" in flat:
            biases = [flat.pop("residual_bias"), flat.pop("skip_bias")]
            flat["residual_skip_bias"] = tf.concat(biases, -1)
        return {name: tf.unstack(value) for name, value in flat.items()}

    def call(self, latent, previous, kernels, keep=None, masks_only: bool = False):
        """Separated latents, or with `masks_only` the masks that make them.

        Args:
          latent: mixture latent (batch, frames, N).
          previous: the previous stage's separated latents (batch, sources, frames, N / 2) or None.
          kernels: what `kernels()` returned.
          keep: dropout factors (batch, sources, in_N) ≥ 0 of the input's channels, or None.

        Returns:
          (batch, sources, frames, N): the mask, which sums to one over sources, times the latent.
        """
        x = self.enter(latent, previous, kernels, keep)
        skip = self.blocks(x, kernels)
        frames = latent.shape[-2]
        first, second = fused.prelu_moments(skip, self.slopes[2])
        a, b = self.norm(first, second, frames, kernels["norm_3"][0])
        y, offset = fused.norm_matmul(
            fused.prelu_piece(skip, self.slopes[2]), a, b, kernels["mask_output"][0]
        )
        first, second = fused.prelu_moments(y, self.slopes[3], offset)
        a, b = self.norm(first, second, frames, kernels["norm_4"][0])
        if masks_only:
            return fused.source_masks(y, self.slopes[3], offset, a, b)
        return fused.masked_latents(y, self.slopes[3], offset, a, b, latent)

    def enter(self, latent, previous, kernels, keep=None):
        """PReLU → norm → 1×1 convolution to B channels → PReLU → norm: the TCN's input.

        The mixture latent is the same for every source: its sums and its PReLU are computed once,
        and it meets each source's kernel without being copied.
        """
        frames, width = latent.shape[-2], self.outputs
        slope = self.slopes[0]
        shared = latent[:, None]
        first, second = fused.prelu_moments(shared, slope)
        spread = tf.ones((1, self.sources, 1))
        first, second = first * spread, second * spread
        if previous is not None:
            own_first, own_second = fused.prelu_moments(previous, slope)
            first = tf.concat([first, own_first], -1)
            second = tf.concat([second, own_second], -1)
        if keep is not None:  # prelu(keep x) = keep prelu(x), so dropout needs no pass either
            first, second = first * keep, second * keep * keep
        a, b = self.norm(first, second, frames, kernels["norm_1"][0])
        if keep is not None:
            a = a * keep
        kernel = kernels["in_conv"][0]
        y, offset = fused.norm_matmul(
            fused.prelu_piece(shared, slope), a[..., :width], b[..., :width], kernel[:, :width]
        )
        if previous is not None:
            more, more_offset = fused.norm_matmul(
                fused.prelu_piece(previous, slope),
                a[..., width:],
                b[..., width:],
                kernel[:, width:],
            )
            y, offset = y + more, offset + more_offset
        first, second = fused.prelu_moments(y, self.slopes[1], offset)
        a, b = self.norm(first, second, frames, kernels["norm_2"][0])
        return fused.prelu_scale_shift(y, self.slopes[1], offset, a, b)

    def blocks(self, x, kernels):
        """The TCN blocks: (batch, sources, frames, B) → the sum of their skip outputs."""
        frames = x.shape[-2]
        skip = tf.zeros_like(x)
        bias = kernels.get("residual_skip_bias")
        slopes = [tf.unstack(pair) for pair in tf.unstack(self.block_slopes)]
        one = tf.ones(())
        for block, dilation in enumerate(self.dilations):
            slope_1, slope_2 = slopes[block]
            y = matmul(x, tf.cast(kernels["expand"][block], x.dtype))
            first, second = fused.prelu_moments(y, slope_1)
            a, b = self.norm(first, second, frames, kernels["block_norm_1"][block])
            taps = kernels["depthwise"][block]
            y = fused.norm_depthwise(y, slope_1, a, b, taps, dilation, slope_2)
            first, second = fused.prelu_moments(y, one)
            a, b = self.norm(first, second, frames, kernels["block_norm_2"][block])
            y, offset = fused.norm_matmul(
                y, a, b, kernels["residual_skip"][block], None if bias is None else bias[block]
            )
            x, skip = fused.add_residual_skip(x, skip, y, offset)
        return skip

    @staticmethod
    def norm(first, second, frames, affine):
        """Scale and shift of a group norm from sums and (sources, 2 channels) parameters."""
        return fused.group_scale_shift(first, second, frames, NORM_GROUPS, affine)
