"""Where the gateway finds its things; secrets come from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """The gateway's settings: paths, the database's URL (None: SQLite in `data`) and the limits on each caller."""

    model: str = "models/plateau.tar.gz"
    data: str = "var"
    web: str = "web"
    clinic: str | None = None
    database: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    clinic_key: str | None = field(default=None, repr=False)
    turns_per_minute: int = 60
    sessions_per_minute: int = 20

    @classmethod
    def from_environment(cls) -> Settings:
        """Read PLATEAU_MODEL, PLATEAU_DATA, PLATEAU_CLINIC, PLATEAU_DATABASE, PLATEAU_SECRET and PLATEAU_CLINIC_KEY."""
        names = {
            "model": "MODEL",
            "data": "DATA",
            "clinic": "CLINIC",
            "database": "DATABASE",
            "secret": "SECRET",
            "clinic_key": "CLINIC_KEY",
        }
        given = {name: os.environ.get(f"PLATEAU_{variable}") for name, variable in names.items()}
        return cls(**{name: value for name, value in given.items() if value})  # type: ignore[arg-type]
