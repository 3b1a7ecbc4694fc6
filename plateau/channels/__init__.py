"""One envelope for every question, whatever the channel; a renderer for each channel shows what it can."""

from ._envelope import COMMANDS, Dialogue, turn_screen
from ._said import CHANNELS, Meant, Place, Said

__all__ = ["CHANNELS", "COMMANDS", "Dialogue", "Meant", "Place", "Said", "turn_screen"]
