"""The gateway: one ASGI process around Rasa's agent; it owns sessions, limits and the red-flag safety net."""

from typing import Any


def create_app(settings: Any) -> Any:
    """Return the ASGI app for `settings`; imported late, for Rasa takes seconds to load."""
    from plateau.server._app import create_app as create

    return create(settings)
