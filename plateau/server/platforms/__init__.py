"""The platforms that carry messages: each verifies what comes in, and sends what goes out, in its own format."""

from ._factory import address_of, missing, path_of, platform, platforms
from ._wire import EDITED, Arrived, Broken, Edit, Forged, Platform, Received, Refused, Unreachable

__all__ = [
    "EDITED", "Arrived", "Broken", "Edit", "Forged", "Platform", "Received", "Refused", "Unreachable", "address_of",
    "missing", "path_of", "platform", "platforms",
]  # fmt: skip
