"""Keeps what Rasa and its dependencies of 2022 say about themselves away from the people who use Plateau."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

NOISY = ("rasa", "rasa_sdk", "matplotlib", "tensorflow", "apscheduler", "asyncio", "PyRuSH")


OURS = {"plateau", "actions"}


def quiet() -> None:
    """Silence third parties; Plateau's own messages go to standard error from level INFO on."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ["SQLALCHEMY_SILENCE_UBER_WARNING"] = "1"
    warnings.showwarning = _shown(warnings.showwarning)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)
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

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
