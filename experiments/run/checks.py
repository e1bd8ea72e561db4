"""TODO experiments/run/checks.py."""

from common import startup
from common.cli import UsageError
from dssgan.config.schema import Config


def check(config: Config) -> None:
    """Check names, hyperparameters and folders before anything starts.

    Raises:
      Misuse: one of them is not there.
    """
    with startup.stderr_hidden():
        from dssgan.training.options import check_choices
        from experiments.songs.checks import check_data

    try:
        check_choices(config)
        check_data(config)
    except ValueError as error:
        raise UsageError(str(error)) from error


def check_songs(config: Config) -> None:
    """Check that no song is both learnt from and held out, before a folder is made.

    Raises:
      Misuse: one is.
    """
    from experiments.songs.checks import check_roles

    try:
        check_roles(config)
    except ValueError as error:
        raise UsageError(str(error)) from error
