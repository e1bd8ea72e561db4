"""Commands of the project in processes of their own."""

import subprocess
import sys

from tests.guide import ROOT


def begin(module, *words, **options):
    """Start `python -m MODULE WORDS`, its output kept as text; `options` as of Popen."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
