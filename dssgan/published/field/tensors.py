"""Named tensors of a file → the variables of a model, each used once."""

from collections.abc import Sequence

import numpy as np

from dssgan.published.layer_tables import floats, found_there, some

#: Order of a kernel's axes here, of those that PyTorch has.
LINEAR, ALONG_AXIS, TWO_AXES = (1, 0), (2, 1, 0), (2, 3, 1, 0)
SWAPPED_AXES = (3, 2, 1, 0)  # where frequency comes before time there
#: The same of transposed convolutions, whose inputs come first.
UPSAMPLING = (2, 0, 1)


class Tensors:
    """What a file holds, and which of it a model has taken.

    Args:
      named: tensors by their names.
    """

    def __init__(self, named: dict[str, np.ndarray]):
        self.named, self.used = named, set()

    def __contains__(self, name: str) -> bool:
        return name in self.named

    def take(self, name: str, shape: Sequence[int]) -> np.ndarray:
        """A tensor of a shape, float32.

        Raises:
          ValueError: it is missing, has another shape, or numbers that are not finite.
        """
        shape = tuple(shape)
        if name not in self.named or self.named[name].shape != shape:
            raise ValueError(
                f"layer {name!r}: expected shape {shape}, found {found_there(self.named, name)}"
            )
        self.used.add(name)
        return floats(name, self.named[name])

    def turned(self, name: str, shape: Sequence[int], order=None, single: int | None = None):
        """A tensor whose axes come in another order here.

        Args:
          shape: the one it has here. order: of the axes here, of those in the file.
          single: an axis of the file that has one place and is dropped before.
        """
        order = tuple(range(len(shape))) if order is None else order
        there = [0] * len(shape)
        for here, axis in enumerate(order):
            there[axis] = shape[here]
        if single is not None:
            there.insert(single, 1)
        found = self.take(name, there)
        return (found if single is None else found.squeeze(single)).transpose(order)

    def put(self, variable, name: str, order=None, single: int | None = None) -> None:
        """Assign a tensor to a variable; the rest as of `turned`."""
        variable.assign(self.turned(name, variable.shape, order, single))

    def stack(self, variable, names: Sequence[str], order=None) -> None:
        """Assign one tensor upon the other; axes of one place between are not in the file."""
        shape = list(variable.shape[1:])
        while order is None and len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]
        found = [self.turned(name, shape, order) for name in names]
        variable.assign(np.stack(found).reshape(variable.shape))

    def pair(self, layer, name: str, order=None, single: int | None = None) -> None:
        """Kernel and bias of a layer from "weight" and "bias"."""
        self.put(layer.kernel, f"{name}.weight", order, single)
        if layer.bias is not None:
            self.put(layer.bias, f"{name}.bias")

    def norm(self, layer, name: str) -> None:
        """Scale and shift of a norm from "weight" and "bias"."""
        self.put(layer.scale, f"{name}.weight")
        self.put(layer.shift, f"{name}.bias")

    def skip(self, names: Sequence[str]) -> None:
        """Take note that some tensors say nothing about the network."""
        self.used.update(names)

    def finish(self, system: str) -> None:
        """ValueError where tensors are left that the system does not have."""
        left = [name for name in self.named if name not in self.used]
        if left:
            raise ValueError(
                f"{len(left)} layers more than {system} has, found {some(left)}; variants with "
                "other layers cannot be converted"
            )
