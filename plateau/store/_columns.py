"""Column types that refuse what one of the two databases could not hold, before any driver sees it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, String, Text
from sqlalchemy.types import TypeDecorator

from ._errors import StoreError

ID_LENGTH = 255


class Identifier(TypeDecorator):  # type: ignore[misc]
    """An opaque id or a term: 1 to 255 printable characters; raises StoreError for anything else."""

    impl = String(ID_LENGTH)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Check `value` on its way in."""
        if value is None or (isinstance(value, str) and 0 < len(value) <= ID_LENGTH and value.isprintable()):
            return value
        # PostgreSQL refuses NUL and both drivers lone surrogates, each with an exception of its own kind.
        raise StoreError(f"an id must be 1 to {ID_LENGTH} printable characters")


class JsonText(TypeDecorator):  # type: ignore[misc]
    """JSON kept as ASCII text, so that NUL and lone surrogates survive both databases as escapes.

    None is JSON's null, or the database's NULL with `none_as_null`.
    """

    impl = Text
    cache_ok = True

    def __init__(self, none_as_null: bool = False) -> None:
        super().__init__()
        self.none_as_null = none_as_null

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Serialise `value`; raises StoreError where JSON has no form for it."""
        if value is None and self.none_as_null:
            return None
        try:
            return json.dumps(value, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"a value cannot be kept as JSON ({type(error).__name__})") from None

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Parse the text of a row; None for NULL, as where an outer join found no row."""
        return None if value is None else json.loads(value)


class UtcDateTime(TypeDecorator):  # type: ignore[misc]
    """An aware time, kept and returned in UTC; raises StoreError for a naive one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> datetime | None:
        """Convert to UTC; SQLite keeps no offset, so it gets the naive UTC time."""
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise StoreError("a time must be a datetime with a time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        """Return the time in UTC, aware."""
        if value is None:
            return None
        time: datetime = value
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
