"""`plateau invite`: a link with which a patient the clinic knows begins a re-evaluation, printed or sent."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plateau.content import Clinic
    from plateau.server._settings import Settings

DAYS = 14
MOST_DAYS = 60


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("invite", help="make a link for a known patient's next re-evaluation, or send it")
    parser.add_argument("patient", metavar="PATIENT", help="the clinic's own id for the patient; it is not kept")
    parser.add_argument(
        "--days", type=int, default=DAYS, help=f"how long the link works, 1 to {MOST_DAYS} (%(default)s)"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--sms", metavar="NUMBER", help="send it to this number, such as +15550100")
    way.add_argument("--email", metavar="ADDRESS", help="send it to this address")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the link, or that it was sent, as JSON; returns 1 when it was not taken, 2 when it could not be made."""
    from pathlib import Path

    from plateau.content import SettingError, clinic
    from plateau.server._invites import Invites
    from plateau.server._sessions import checked_secret, kept_secret
    from plateau.server._settings import Settings
    from plateau.server.platforms import Refused, Unreachable

    try:
        settings = Settings.from_environment()
        here = clinic(settings.clinic)
        if here.public_url is None:
            raise SettingError("public_url is not set in the clinic's settings; allowed: an https address")
        if not 1 <= options.days <= MOST_DAYS:
            raise SettingError(f"--days: {options.days} is not allowed; allowed: 1 to {MOST_DAYS}")
        if not options.patient.strip():
            raise SettingError("PATIENT is empty; allowed: the clinic's own id for the patient")
        secret = checked_secret(settings.secret) or kept_secret(Path(settings.data))
        link, until = Invites(secret, here).make(options.patient.strip(), options.days)
        told = {"until": until.isoformat(timespec="seconds")}
        if options.sms or options.email:
            asyncio.run(_send(here, settings, options, link))
            told = {"sent": "sms" if options.sms else "email", **told}
        else:
            told = {"link": link, **told}
    except SettingError as error:
        print(f"plateau invite: {error}", file=sys.stderr)
        return 2
    except (Unreachable, Refused) as error:
        print(f"plateau invite: it was not sent: {error}", file=sys.stderr)
        return 1
    print(json.dumps(told, separators=(",", ":")))
    return 0


async def _send(here: Clinic, settings: Settings, options: argparse.Namespace, link: str) -> None:
    from plateau.content import SettingError, clinic_words
    from plateau.server._news import letter_key
    from plateau.server.platforms import platforms
    from plateau.server.staff import senders

    words = clinic_words()
    text = words.get("staff.invitation.text", clinic=here.name, phone=here.phone, link=link)
    if options.sms:
        platform = platforms(here, settings).get("sms")
        if platform is None:
            raise SettingError("--sms: channels.sms is switched off in the clinic's settings")
        try:
            await platform.send(options.sms, {"body": text})
        finally:
            await platform.close()
        return
    sender = senders(here, settings).get("email")
    if sender is None:
        raise SettingError("--email: staff.email_from is not set in the clinic's settings")
    subject = words.get("staff.invitation.subject", clinic=here.name)
    await sender.send(letter_key("invite", link), {"subject": subject, "text": text, "to": [options.email]})
