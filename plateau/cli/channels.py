"""`plateau channels`: which channels are on and what they still need, and setting one up at its platform."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from plateau.channels import CHANNELS

if TYPE_CHECKING:
    from plateau.content import Clinic
    from plateau.server._settings import Settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("channels", help="say what each channel needs, or set one up at its platform")
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    check = acts.add_parser("check", help="say of each channel if it is on, what it lacks, and where it is posted to")
    check.add_argument("--json", action="store_true", help="one JSON object a line")
    check.set_defaults(run=run_check)
    set_up = acts.add_parser("set-up", help="tell the platform where to post; for WhatsApp also make its templates")
    set_up.add_argument("channel", metavar="CHANNEL", choices=CHANNELS)
    set_up.set_defaults(run=run_set_up)


def run_check(options: argparse.Namespace) -> int:
    """Print a line for each channel; returns 1 where one that is on lacks something, 2 where a setting is wrong."""
    from plateau.content import SettingError, clinic
    from plateau.server._settings import Settings

    try:
        settings = Settings.from_environment()
        told = list(_channels(clinic(settings.clinic), settings))
    except SettingError as error:
        print(f"plateau channels: {error}", file=sys.stderr)
        return 2
    for one in told:
        print(json.dumps(one, separators=(",", ":")) if options.json else _line(one))
    return int(any(one["on"] and one["missing"] for one in told))


def run_set_up(options: argparse.Namespace) -> int:
    """Print what was laid down as JSON; returns 2 when it could not be done."""
    import asyncio

    from plateau.content import SettingError, catalog, clinic
    from plateau.server._settings import Settings
    from plateau.server.platforms import Refused, Unreachable
    from plateau.server.platforms._setup import set_up

    try:
        settings = Settings.from_environment()
        told = asyncio.run(set_up(options.channel, clinic(settings.clinic), settings, catalog()))
    except (SettingError, Refused, Unreachable) as error:
        print(f"plateau channels: {error}", file=sys.stderr)
        return 2
    print(json.dumps(told, indent=2))
    return 0


def _channels(clinic: Clinic, settings: Settings) -> Iterator[dict[str, Any]]:
    from plateau.server.platforms import address_of, missing
    from plateau.server.staff import WAYS, lacking

    for name in CHANNELS:
        lacks = [*([] if clinic.public_url else ["public_url"]), *missing(name, settings)]
        on = name in clinic.channels
        yield {"channel": name, "on": on, "missing": lacks, "webhook": address_of(name, clinic)}
    for way in WAYS:
        on = bool(clinic.staff.get(way))
        yield {"channel": f"staff.{way}", "on": on, "missing": lacking(way, settings), "webhook": None}


def _line(told: dict[str, Any]) -> str:
    state = "on" if told["on"] else "off"
    needs = f"not set: {', '.join(told['missing'])}" if told["missing"] else "all is set"
    where = f"; the platform posts to {told['webhook']}" if told["webhook"] else ""
    return f"{told['channel']:14}{state:5}{needs}{where}"
