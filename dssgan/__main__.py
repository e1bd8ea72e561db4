"""usage: dssgan COMMAND …, or python -m dssgan COMMAND …

    separate     songs into stems
    app          the page in the browser
    live         a stem of a signal that is still running
    resynth      a song with its drums on another kit
    train        a separator, by a recipe
    evaluate     estimates against references
    compare      runs side by side, and methods that need no training
    data         songs on disk: prepare, check, list, intake
    export       a separator in another format
    convert      published weights
    combine      separators into one
    catalogue    separators of this machine by name, and public ones
    doctor       what works on this machine
    completion   of these words, for bash, zsh or fish

dssgan COMMAND --help tells more of each.
"""

import importlib
import importlib.util

from common import cli
from common.cli import UsageError
from common.suggest import nearest

#: {command: module}; those of other rooms lie below `dssgan` where it is installed.
COMMANDS = {
    "separate": "dssgan.separate",
    "app": "dssgan.app.__main__",
    "live": "dssgan.live.__main__",
    "resynth": "dssgan.resynth",
    "train": "dssgan.train",
    "evaluate": "evaluation.__main__",
    "compare": "experiments.compare.__main__",
    "data": "datasets.__main__",
    "export": "dssgan.export",
    "convert": "dssgan.convert",
    "combine": "dssgan.combine",
    "catalogue": "dssgan.catalogue.__main__",
    "doctor": "dssgan.doctor.__main__",
}
SHELLS = {
    "bash": """_dssgan() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}"
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    elif [ "${{word#-}}" != "$word" ]; then
        COMPREPLY=($(compgen -W "$(dssgan completion options "$command")" -- "$word"))
    fi
}}
complete -o default -F _dssgan dssgan
""",
    "zsh": """#compdef dssgan
if (( CURRENT == 2 )); then
    compadd {commands}
elif [[ "$words[CURRENT]" == -* ]]; then
    compadd -- $(dssgan completion options "$words[2]")
else
    _files
fi
""",
    "fish": """complete -c dssgan -n __fish_use_subcommand -f -a "{commands}"
complete -c dssgan -n "not __fish_use_subcommand" -a "(string match -q -- '-*' (commandline -ct); \
and dssgan completion options (commandline -opc)[2])"
""",
}


def main(argv: list[str]) -> int | None:
    """Run a command; returns its exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0 if argv else 2
    command, *words = argv
    if command == "completion":
        return completion(words)
    if command not in COMMANDS:
        raise UsageError(f"no command {command!r}{nearest(command, COMMANDS)}; see dssgan --help")
    return module(command).main(words)


def module(command: str):
    """The module of a command.

    Raises:
      UsageError: a package that it needs is not installed.
    """
    try:
        return importlib.import_module(COMMANDS[command])
    except ModuleNotFoundError as error:
        raise UsageError(
            f"dssgan {command} needs {error.name}: pip install 'dssgan[train]', or in a checkout "
            "pip install -r requirements.txt"
        ) from error


def completion(words: list[str]) -> int:
    """Print a shell's completion, or the options of a command, for it."""
    if len(words) == 2 and words[0] == "options":
        print(" ".join(options_of(words[1])))
        return 0
    if len(words) != 1 or words[0] not in SHELLS:
        raise UsageError(
            f"dssgan completion: expected one of {', '.join(SHELLS)}; for bash: "
            "dssgan completion bash > ~/.local/share/bash-completion/completions/dssgan"
        )
    print(SHELLS[words[0]].format(commands=" ".join([*COMMANDS, "completion"])), end="")
    return 0


def options_of(command: str) -> list[str]:
    """The options that a command's help names; none of one that does not exist."""
    import contextlib
    import io
    import re

    told = io.StringIO()
    if command in COMMANDS:
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit, UsageError):
            module(command).main(["--help"])
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", told.getvalue())))


def start() -> None:
    """The console script."""
    cli.run(main)


if __name__ == "__main__":
    start()
