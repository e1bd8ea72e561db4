"""Which machines train together, and their meeting before TensorFlow starts; plain Python.

A run of several workers is the same command on every machine. Each finds its place in `TF_CONFIG`,
or in the variables of a SLURM step; the first one is the chief.
"""

import dataclasses
import json

GUIDE = "see docs/training.md, Several machines"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run.

    Attributes:
      addresses: "host:port" of each, the chief's first.
      index: place of this process among them.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def own(self) -> str:
        """The address of this process."""
        return self.addresses[self.index]

    def tf_config(self) -> str:
        """The same as TensorFlow reads it."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})
