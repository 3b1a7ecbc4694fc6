"""The `plateau` command; each subcommand is a module of its own and loads what it needs only when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from plateau import __version__
from plateau.cli import (
    alerts,
    assess,
    audit,
    backup,
    channels,
    chat,
    data,
    invite,
    keys,
    model,
    read,
    rules,
    serve,
    test,
)

COMMANDS = (serve, chat, read, assess, rules, test, data, audit, keys, backup, model, channels, alerts, invite)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 something did not hold, 2 could not be done."""
    # Rasa reports errors to its makers unless told not to; TensorFlow talks about the machine.
    os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = argparse.ArgumentParser("plateau", description="Re-evaluates stalled physical therapy with the patient.")
    parser.add_argument("--version", action="version", version=f"plateau {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    options = parser.parse_args(argv)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
