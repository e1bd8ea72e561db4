"""Where a MongoDB is, how to reach it, and what to say about it without saying its password."""

import re
import urllib.parse
from typing import Any

from common.redact import HIDDEN, redacted

SILENCE = 10_000  # milliseconds that an answer may take
REFUSED = (13, 18, 8000)  # MongoDB's codes for users and passwords that it does not take


class Server:
    """A database that is connected to when it is asked for, and again after it was away.

    Args:
      url: mongodb://[user:password@]host:port/database?options (replica sets, TLS and all else that
        pymongo understands), or host:port[:database], or a database on this machine. The database's
        name is "sacred" where none is given.
      patience: seconds it has to answer.

    Raises:
      ValueError: not such a text, or one from a record, in which the password is hidden.
    """

    def __init__(self, url: str, patience: float):
        self.address, self.database_name = parse_url(url)
        self.shown, self.patience = redacted(url), patience
        if f"{HIDDEN}@" in url:
            raise ValueError(
                f"tracking.mongo={self.shown}: passwords are not recorded; give the whole address "
                "again with tracking.mongo=…"
            )
        self._client: Any = None

    def database(self) -> Any:
        """The database, after it has answered.

        Raises:
          Exception: one of pymongo's many kinds; `reason` puts it into words.
        """
        import pymongo

        if self._client is None:
            wait = round(self.patience * 1000)
            self._client = pymongo.MongoClient(
                self.address,
                serverSelectionTimeoutMS=wait,
                connectTimeoutMS=max(wait, SILENCE),
                socketTimeoutMS=max(wait, SILENCE),
            )
        self._client.admin.command("ping")
        return self._client[self.database_name]

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()


def reason(error: BaseException) -> str:
    """Why a database cannot be used, without any text that it or its address brought along."""
    import pymongo.errors as errors

    name = type(error).__name__
    if getattr(error, "code", None) in REFUSED:
        return f"it refuses the user or the password ({name})"
    if isinstance(error, errors.ConfigurationError | errors.InvalidURI | ValueError):
        return f"its address or its options cannot be used ({name})"
    if isinstance(error, errors.DocumentTooLarge):
        return f"the record is too large for it ({name})"
    if isinstance(error, errors.ConnectionFailure | TimeoutError):
        return f"no answer ({name})"
    return f"unexpected answer ({name})"


def is_final(error: BaseException) -> bool:
    """Whether it is of no use to try again."""
    import pymongo.errors as errors

    final = errors.ConfigurationError | errors.InvalidURI | ValueError
    return getattr(error, "code", None) in REFUSED or isinstance(error, final)


def parse_url(url: str) -> tuple[str, str]:
    """(address, database) of a database.

    Raises:
      ValueError: neither a URL nor host:port:database.
    """
    if url.startswith(("mongodb://", "mongodb+srv://")):
        database = urllib.parse.urlsplit(url).path.strip("/")
        return url, database or "sacred"
    match = re.fullmatch(r"(?:([\w.-]+):(\d{1,5})(?::([\w-]+))?)|([\w-]+)", url)
    if not match:
        shown = redacted(url if "://" in url else f"mongodb://{url}").removeprefix("mongodb://")
        raise ValueError(
            f"tracking.mongo={shown!r}: expected mongodb://host:port/database or host:port:database"
        )
    host, port, database, alone = match.groups()
    if alone:
        return "mongodb://localhost:27017", alone
    return f"mongodb://{host}:{port}", database or "sacred"
