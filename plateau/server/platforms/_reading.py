"""Reading a platform's JSON, of which nothing is sure but that it came from there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._wire import Broken


def read_json(body: bytes) -> Mapping[str, Any]:
    """Return the object in `body`; raises Broken."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise Broken("the body is not JSON; allowed: one JSON object in UTF-8") from None
    if not isinstance(read, dict):
        raise Broken("the body is no JSON object; allowed: one JSON object in UTF-8")
    return read


def at(node: Any, *path: str) -> Any:
    """Return what is found in objects within objects, None where there is no such thing."""
    for name in path:
        if not isinstance(node, Mapping):
            return None
        node = node.get(name)
    return node


def text_at(node: Any, *path: str) -> str | None:
    """Return the text that is found there, None where there is none."""
    found = at(node, *path)
    return found if isinstance(found, str) else None


def whole_at(node: Any, *path: str) -> int | None:
    """Return the whole number that is found there, also where it was sent as text; None where there is none."""
    found = at(node, *path)
    if isinstance(found, str) and found.isascii() and found.lstrip("-").isdecimal() and len(found) < 20:
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def things_at(node: Any, *path: str) -> list[Any]:
    """Return the list that is found there, an empty one where there is none."""
    found = at(node, *path)
    return found if isinstance(found, list) else []
