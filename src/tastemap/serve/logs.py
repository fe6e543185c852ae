"""The server's log: lines for people, or JSON; it names routes and statuses, never users, histories or tokens."""

from __future__ import annotations

import logging
import sys
import time

import orjson


class JsonLines(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {"time": f"{moment}.{int(record.msecs):03d}Z", "level": record.levelname.lower(), "logger": record.name}
        told |= {"message": record.getMessage(), **getattr(record, "facts", {})}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(told).decode()


def set_up(*, as_json: bool, requests: bool) -> None:
    """Write the log to stderr.

    as_json : a JSON object a line
    requests : a line for every request; else only for those that failed by the server's own fault
    """
    handler = logging.StreamHandler(sys.stderr)
    lines = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if as_json else lines)
    for name, level in (
        ("tastemap.serve", logging.INFO),
        ("tastemap.requests", logging.INFO if requests else logging.ERROR),
        ("uvicorn", logging.WARNING),
    ):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
