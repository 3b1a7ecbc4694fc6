"""The platforms that carry messages: each verifies what comes in, and sends what goes out, in its own format."""

from ._wire import Arrived, Broken, Edit, Forged, Platform, Received, Refused, Unreachable

__all__ = ["Arrived", "Broken", "Edit", "Forged", "Platform", "Received", "Refused", "Unreachable"]
