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


def run_without(missing, code):
    """Run Python code where the modules `missing` cannot be imported; it must end well."""
    blocked = f"import sys\nfor name in {tuple(missing)!r}: sys.modules[name] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
