"""A causal separator that carries its state along a stream: nothing is computed twice."""

from dssgan.live.window import LiveSeparator


class RunningSeparator(LiveSeparator):
    """Separates a stream in one pass, the model's own `delay` and a block behind it.

    Args:
      separator: whose model is causal.
      block: samples at the model's rate that are separated at once, a multiple of the model's.

    Raises:
      ValueError: the separator is not causal, or the block does not fit it.
    """

    def __init__(self, separator, block: int):
        super().__init__(separator, block, separator.model.delay)
        if block % self.model.multiple:
            raise ValueError(f"block {block}: expected a multiple of {self.model.multiple} samples")
        self.first, self.behind = self.model.first, self.model.delay - self.model.first

    def running(self, channels: int):
        """The model, and its state at a place in the stream."""
        return self.separator.running(channels, self.block)
