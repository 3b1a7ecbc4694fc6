"""What is logged and how: our own messages, one line each, never a patient's words, a token or an exception's text.

Rasa and its dependencies of 2022 are kept silent: what they say quotes patients.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

NOISY = ("rasa", "rasa_sdk", "matplotlib", "tensorflow", "apscheduler", "asyncio", "PyRuSH")
OURS = {"plateau", "actions"}
FORMS = ("text", "json")
REQUESTS = "plateau.requests"
# What a line about a request has beyond the others.
FIELDS = ("method", "route", "status", "milliseconds")


@dataclass(slots=True)
class Trace:
    """The request being answered: its id, and which conversation it is of, as a keyed digest."""

    request: str
    conversation: str | None = None


trace: ContextVar[Trace | None] = ContextVar("plateau_trace", default=None)


def pseudonym(conversation: str, secret: str) -> str:
    """Return what stands for a conversation in logs: the same for the same one, and of no use without the secret."""
    return hmac.new(secret.encode(), b"log:" + conversation.encode(), sha256).hexdigest()[:12]


class _Plain(logging.Formatter):
    """A line for people; of an exception its kind and place, for its text may quote a patient."""

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _raised(ei)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extra = [f"{name}={value}" for name in FIELDS if (value := getattr(record, name, None)) is not None]
        if (here := trace.get()) is not None:
            extra += [f"conversation={here.conversation}"] if here.conversation else []
            extra.append(f"request={here.request}")
        return " ".join([line, *extra])


class _Json(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and of a request its id and what became of it."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (here := trace.get()) is not None:
            told["request"] = here.request
            if here.conversation:
                told["conversation"] = here.conversation
        told |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            told["raised"] = _raised(record.exc_info)
        return json.dumps(told, ensure_ascii=True, default=repr)


def _raised(info: Any) -> str:
    kind, _, where = info
    frames = traceback.extract_tb(where)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{getattr(kind, '__name__', kind)}{place}"


def quiet(form: str = "text", requests: bool = False) -> None:
    """Silence third parties; Plateau's own messages go to standard error from level INFO on.

    `form` is one of FORMS; `requests`: also a line for each HTTP request.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ["SQLALCHEMY_SILENCE_UBER_WARNING"] = "1"
    warnings.showwarning = _shown(warnings.showwarning)
    if not logging.getLogger().handlers:
        handler = logging.StreamHandler(sys.stderr)
        plain = _Plain("%(asctime)s %(name)s %(levelname)s %(message)s")
        handler.setFormatter(_Json() if form == "json" else plain)
        logging.getLogger().addHandler(handler)
        # Which a fault in our own logging would otherwise print with the arguments of the call.
        logging.raiseExceptions = False
    logging.getLogger().setLevel(logging.INFO)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
    if requests:
        logging.getLogger(REQUESTS).setLevel(logging.INFO)
    elif logging.getLogger(REQUESTS).level == logging.NOTSET:
        logging.getLogger(REQUESTS).setLevel(logging.WARNING)
    for name in NOISY:
        # Their errors quote what the patient said; what failed is told by our own loggers, without the words.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("httpx", "httpcore", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _quiet_structlog()
    try:
        from loguru import logger
    except ImportError:
        return
    logger.remove()


def _shown(show: Callable[..., None]) -> Callable[..., None]:
    """Show only our own warnings; filters do not last, for some of the libraries set their own."""

    def only_ours(message: Any, category: Any, filename: str, *rest: Any, **more: Any) -> None:
        if OURS & set(Path(filename).parts[-4:]):
            show(message, category, filename, *rest, **more)

    return only_ours


def _quiet_structlog() -> None:
    import structlog

    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    # Kept, or each of Rasa's messages that nobody reads would make a logger of its own.
    structlog.configure(wrapper_class=silent, cache_logger_on_first_use=True)
