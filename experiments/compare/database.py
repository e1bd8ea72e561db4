"""Scores of the runs in a MongoDB, as Sacred and `experiments.tracking` record them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from common.json_files import parse_json
from experiments.compare.curves import Log
from experiments.compare.run import checked
from experiments.tracking.server import Server, reason

PATIENCE = 10.0  # seconds a database has to answer
SUMMARY = "scores/summary.json"
FIELDS = (
    "uid",
    "folder",
    "start_time",
    "stop_time",
    "config",
    "artifacts",
    "result",
)


def runs_in_database(url: str, log: Log) -> Iterator[dict[str, Any]]:
    """Yield {"uid", "run", "date", "config", "summary"} of every run that has scores.

    The whole summary is an artifact; of a run that lacks it, its result and its songs' scores tell
    what a board asks for.

    Raises:
      ValueError: not the text of an address.
      OSError: the database does not answer, or no longer.
    """
    server = Server(url, PATIENCE)
    try:
        database = server.database()
        for document in database.runs.find({}, dict.fromkeys(FIELDS, 1)):
            name = document.get("folder") or f"run {document['_id']}"
            try:
                summary = _summary(database, document)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                log(f"{server.shown}: {name}: its scores cannot be read ({error}); left out")
                continue
            if summary is None:
                continue
            config = document.get("config")
            config = config if isinstance(config, Mapping) else {}
            yield {
                "uid": str(document.get("uid") or f"{server.shown} {document['_id']}"),
                "run": str(name),
                "date": str(document.get("stop_time") or document.get("start_time") or "")[:10],
                "config": config,
                "summary": summary,
            }
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise OSError(f"MongoDB at {server.shown}: {reason(error)}") from None
    finally:
        server.close()


def _summary(database: Any, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """A run's summary; None where it has no scores."""
    import gridfs

    for artifact in document.get("artifacts") or ():
        if artifact.get("name") == SUMMARY:
            try:
                data = gridfs.GridFS(database).get(artifact["file_id"]).read()
            except gridfs.NoFile:
                break
            return checked(parse_json(data, SUMMARY), SUMMARY)
    # Asked for by itself, because it may be long, and not all servers give parts of it.
    more = database.runs.find_one({"_id": document["_id"]}, {"info": 1}) or {}
    return _from_result(document, (more.get("info") or {}).get("scores"))


def _from_result(document: Mapping[str, Any], songs: Any) -> dict[str, Any] | None:
    """The summary of a run whose artifacts are gone; its settings are taken for today's."""
    from evaluation.protocols import PROTOCOLS

    result, config = document.get("result"), document.get("config") or {}
    name = (config.get("evaluation") or {}).get("protocol")
    if not songs or not isinstance(result, Mapping) or name not in PROTOCOLS:
        return None
    protocol = PROTOCOLS[name]
    figures: dict[str, dict[str, Any]] = {}
    for key, value in result.items():
        metric, slash, source = str(key).partition("/")
        if slash and metric != "validation":
            figures.setdefault(source, {})[metric] = value
    how = protocol.reported[0]
    summary = {"settings": protocol.settings(), "reported": [how], "songs": songs, how: figures}
    return checked(json.loads(json.dumps(summary)), "info.scores")
