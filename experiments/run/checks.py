"""All checks of a configuration before it runs, called in one order for a run and for a sweep.

1. Types and ranges of single keys: `dssgan.config.schema`, when the configuration was read.
2. Keys against keys: `dssgan.config.rules`.
3. Names and options: `dssgan.training.options`, `dssgan.refinement.checks`.
4. Folders and songs: `experiments.songs.checks`.
"""

import json
from collections.abc import Callable

from common import startup
from common.cli import UsageError
from dssgan.config.mappings import to_dict
from dssgan.config.rules import check_rules
from dssgan.config.schema import Config
from experiments.run.machine import prepare_machine

#: What the slow checks look at; points of a sweep that share these sections are checked once.
SONGS = ("sources", "phases", "data", "unpaired")
REFINEMENT = (*SONGS, "model", "supervised", "adversarial", "self_training")
REFINEMENT += ("trainable", "lora")
_passed: set[str] = set()


def check(config: Config, thorough: bool = True) -> None:
    """Check names, hyperparameters, folders and songs before anything starts.

    Args:
      thorough: build critics, look at separators to start from and compare the songs of different
        roles as well. On several machines critics are left to `check_refinement`.

    Raises:
      UsageError: something cannot be; the message starts with the dotted key.
    """
    with startup.stderr_hidden():
        from dssgan.training.options import check_choices
        from experiments.songs.checks import check_data, check_roles

    _misuse(check_rules, config)
    _misuse(check_choices, config)
    if thorough and config.compute.strategy != "workers":
        check_refinement(config)
    _misuse(check_data, config)
    if thorough:
        _once(check_roles, config, SONGS)


def check_refinement(config: Config) -> None:
    """Build critics and look at separators to start from.

    On several machines it must wait until TensorFlow knows all of them.

    Raises:
      UsageError: something cannot be; the message starts with the dotted key.
    """
    prepare_machine(config)
    from dssgan.refinement.checks import check_refinements

    _once(check_refinements, config, REFINEMENT)


def _once(check: Callable[[Config], None], config: Config, sections: tuple[str, ...]) -> None:
    """Call a slow check, unless a configuration with the same sections has passed it."""
    values = to_dict(config)
    part = [check.__name__, bool(config.alpha), *(values[name] for name in sections)]
    key = json.dumps(part, default=str)
    if key not in _passed:
        _misuse(check, config)
        _passed.add(key)


def _misuse(check: Callable[[Config], None], config: Config) -> None:
    """Call a check; what it raises about the configuration is a misuse of the command."""
    try:
        check(config)
    except (ValueError, FileNotFoundError) as error:
        raise UsageError(str(error)) from error
