"""Make a virtual environment with pip in it: `python3 common/environment.py .venv`.

Standard library only. Debian's python3 comes without `ensurepip` (the package python3-venv) and
often without pip; the environment is then made without it, and pip is installed by a pip that is
there already, or from its wheel, fetched from the package index that pip is configured for.
"""

import configparser
import contextlib
import hashlib
import html.parser
import http.client
import os
import pathlib
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

OLDEST = (3, 11)
INDEX = "https://pypi.org/simple"
TIMEOUT_S = 60


class Failure(Exception):
    """A reason that fits on one line."""


def main(argv):
    """Make the environment that `argv` names; 0 when it is ready, 1 failed, 2 misuse."""
    if len(argv) != 1 or argv[0].startswith("-"):
        print("usage: python3 common/environment.py FOLDER", file=sys.stderr)
        return 2
    try:
        create(pathlib.Path(argv[0]))
    except Failure as failure:
        print("error: " + " ".join(str(failure).split()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def create(folder):
    """Make `folder` a virtual environment whose pip works; one that works is left alone."""
    check_version(sys.version_info, sys.executable)
    python = folder / "bin" / "python"
    if has_pip(python):
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise Failure(f"{folder} exists and is no virtual environment: choose another folder")
    if importable("ensurepip"):
        output = attempt([sys.executable, "-m", "venv", "--clear", folder])
        if output is None and has_pip(python):
            return
    output = attempt([sys.executable, "-m", "venv", "--clear", "--without-pip", folder])
    if output is not None:
        raise Failure(f"python -m venv {folder} failed: {output}")
    reasons = []
    for install in (install_with_pip, install_from_index):
        reason = install(python)
        if reason is None and has_pip(python):
            return
        reasons.append(reason or "pip was installed but does not start")
    raise Failure(
        f"no pip for {folder}: {'; '.join(reasons)}. Check the network and pip's index "
        "(PIP_INDEX_URL), or install the package python3-venv, then run the command again"
    )


def check_version(version, executable):
    """Refuse a Python that is too old for the project."""
    if tuple(version[:2]) < OLDEST:
        found, wanted = (".".join(map(str, v[:2])) for v in (version, OLDEST))
        raise Failure(
            f"{executable} is Python {found}, the project needs {wanted} or newer: install it and "
            f"name it, as in 'make PYTHON=python{wanted} demo'"
        )


def importable(module):
    """Whether this Python can import `module` (Debian ships venv without ensurepip)."""
    with contextlib.suppress(ImportError):
        __import__(module)
        return True
    return False


def attempt(command):
    """Run a command; None when it succeeds, else the last line of what it said."""
    try:
        done = subprocess.run(
            [os.fspath(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        return str(error)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return None if done.returncode == 0 else (lines or [f"exit code {done.returncode}"])[-1]


def has_pip(python):
    """Whether `python` exists beside a `pip` that starts."""
    there = python.exists() and (python.parent / "pip").exists()
    return there and attempt([python, "-m", "pip", "--version"]) is None


def install_with_pip(python):
    """Let a pip that is already here install pip; None when it did, else the reason."""
    if attempt([sys.executable, "-m", "pip", "--version"]) is not None:
        return "this Python has no pip"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    return attempt([*command, "--disable-pip-version-check", "pip"])


def install_from_index(python):
    """Fetch pip's wheel and let it install itself; None when it did, else the reason."""
    reasons = []
    for source in sources():
        try:
            url = newest_wheel(source)
            with tempfile.TemporaryDirectory() as folder:
                wheel = pathlib.Path(folder) / file_name(url)
                wheel.write_bytes(fetch(url))
                run = [python, wheel / "pip", "install", "--quiet", "--no-index", wheel]
                reason = attempt(run)
        except Failure as failure:
            reason = str(failure)
        if reason is None:
            return None
        reasons.append(reason)
    return "; ".join(reasons)


def sources():
    """Pages that may list pip's wheels: the find-links and simple indexes of pip's settings."""
    indexes = [*(setting("index-url") or [INDEX]), *setting("extra-index-url")]
    if setting("no-index"):
        indexes = []
    return [*setting("find-links"), *(index.rstrip("/") + "/pip/" for index in indexes)]


def setting(name):
    """Values of a pip option: environment first, then pip's configuration files."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if value is not None:
        return value.split()
    for path in configuration_files():
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
            parser.read(path, encoding="utf-8")
        for section in ("install", "global"):
            if parser.has_option(section, name):
                return parser.get(section, name).split()
    return []


def configuration_files():
    """pip's configuration files, the one that wins first."""
    home = pathlib.Path.home()
    config = pathlib.Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [config / "pip" / "pip.conf", home / ".pip" / "pip.conf", pathlib.Path("/etc/pip.conf")]
    chosen = os.environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    return [pathlib.Path(chosen), *files] if chosen else files


class Links(html.parser.HTMLParser):
    """Collects the links of a page."""

    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a" and attributes.get("href") and "data-yanked" not in attributes:
            self.links.append(attributes["href"])


def newest_wheel(page):
    """Address of the newest released pip wheel that a page or a folder lists."""
    folder = local_path(page)
    if folder is not None and folder.is_dir() and not (folder / "index.html").exists():
        links = [path.as_uri() for path in folder.absolute().iterdir()]
    else:
        url = page if folder is None else (folder / "index.html").absolute().as_uri()
        parser = Links()
        parser.feed(fetch(url).decode("utf-8", "replace"))
        links = [urllib.parse.urljoin(url, link) for link in parser.links]
    wheels = {}
    for link in links:
        match = re.fullmatch(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl", file_name(link))
        if match:
            wheels[tuple(map(int, match.group(1).split(".")))] = link
    if not wheels:
        raise Failure(f"{shown(page)} lists no pip wheel")
    return wheels[max(wheels)]


def local_path(address):
    """The path of a folder name or a file:// address; None for anything else."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "file":
        return pathlib.Path(urllib.request.url2pathname(parts.path))
    return None if parts.scheme in ("http", "https") else pathlib.Path(address)


def fetch(url):
    """Read an address; a sha256 in its fragment is checked."""
    address, _, fragment = url.partition("#")
    parts = urllib.parse.urlsplit(address)
    handlers = []
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile="".join(setting("cert")) or None)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    if "@" in parts.netloc:  # credentials of a private index go into a header, not into messages
        login, _, host = parts.netloc.rpartition("@")
        name, _, password = map(urllib.parse.unquote, login.partition(":"))
        address = parts._replace(netloc=host).geturl()
        manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
        manager.add_password(None, address, name, password, is_authenticated=True)
        handlers.append(urllib.request.HTTPBasicAuthHandler(manager))
    try:
        with urllib.request.build_opener(*handlers).open(address, timeout=TIMEOUT_S) as answer:
            data = answer.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failure(f"{shown(address)} cannot be read ({error})") from None
    wanted = urllib.parse.parse_qs(fragment).get("sha256")
    if wanted and hashlib.sha256(data).hexdigest() != wanted[0]:
        raise Failure(f"{shown(address)} arrived damaged (its sha256 differs)")
    return data


def file_name(url):
    """The last part of an address."""
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1])


def shown(url):
    """An address without credentials."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
