"""How a batch is dealt out to the replicas of a strategy."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf


def spread(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> Iterable[Any]:
    """Batches for all replicas of a strategy; each replica gets its part of every batch.

    On several machines every one reads whole batches, which is cheap beside training on them, and
    keeps the part of its own replicas: replica r of n has the r-th n-th, as on one machine.
    """
    if strategy.num_replicas_in_sync == 1:
        return dataset
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return strategy.experimental_distribute_dataset(dataset)
    return strategy.distribute_datasets_from_function(lambda context: own_parts(dataset, context))


def own_parts(dataset: tf.data.Dataset, context: tf.distribute.InputContext) -> tf.data.Dataset:
    """The parts of the replicas of one machine, one after the other."""
    replicas = context.num_replicas_in_sync
    local = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * local

    def part(values: tf.Tensor) -> tf.Tensor:
        size = values.shape[0] // replicas
        values = values[first * size : (first + local) * size]
        return tf.reshape(values, [local, size, *values.shape[1:]])

    parts = dataset.map(lambda batch: tf.nest.map_structure(part, batch)).unbatch()
    # Without end: nobody has to ask the other machines whether there is a next one.
    parts = parts.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return parts.with_options(options)
