"""`plateau model sign|verify|key`: the seal on the trained model, without which `plateau serve` does not load it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from plateau import sealing


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("model", help="sign the trained model, check it, or print the key to check it with")
    parser.add_argument("action", choices=("sign", "verify", "key"))
    parser.add_argument(
        "--model", type=Path, default=sealing.MODEL, help="the trained model, a .tar.gz (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do as asked; returns 1 when the model is not as it was signed, 2 when there is no key."""
    try:
        if options.action == "key":
            print(sealing.printed(sealing.public_key()))
        elif options.action == "sign":
            print(f"signed: {sealing.seal(options.model, sealing.private_key(make=True))}", file=sys.stderr)
        else:
            seal = sealing.Seal(options.model, sealing.public_key())
            seal.check_weights()
            seal.check_model()
            print(f"{options.model}: as it was signed", file=sys.stderr)
    except sealing.BrokenSeal as error:
        print(f"plateau model: {error}", file=sys.stderr)
        return 2 if isinstance(error, sealing.KeyProblem) else 1
    except OSError as error:
        print(f"plateau model: {options.model} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    return 0
