"""One envelope for every question, whatever the channel; a renderer for each channel shows what it can."""

from ._envelope import COMMANDS, Dialogue, turn_screen

__all__ = ["COMMANDS", "Dialogue", "turn_screen"]
