"""One envelope for every question, whatever the channel; a renderer for each channel shows what it can."""

from ._envelope import COMMANDS, Dialogue, turn_screen
from ._limits import LIMITS, Limits, OverLimit, check, limits_table
from ._meant import meant
from ._render import rendered
from ._said import CHANNELS, Meant, Place, Said
from ._tap import BadTap, StaleTap

__all__ = [
    "BadTap",
    "CHANNELS",
    "COMMANDS",
    "Dialogue",
    "LIMITS",
    "Limits",
    "Meant",
    "OverLimit",
    "Place",
    "Said",
    "StaleTap",
    "check",
    "limits_table",
    "meant",
    "rendered",
    "turn_screen",
]
