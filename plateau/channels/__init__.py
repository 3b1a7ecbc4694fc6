"""One envelope for every question, whatever the channel; a renderer for each channel shows what it can."""

from ._envelope import COMMANDS, Dialogue, turn_screen
from ._gsm import parts
from ._limits import LIMITS, Limits, OverLimit, check, limits_table
from ._meant import meant
from ._render import rendered
from ._reserved import GET_STARTED, reserved
from ._said import CHANNELS, Meant, Place, Said
from ._tap import BadTap, StaleTap

__all__ = [
    "BadTap",
    "CHANNELS",
    "COMMANDS",
    "Dialogue",
    "GET_STARTED",
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
    "parts",
    "rendered",
    "reserved",
    "turn_screen",
]
