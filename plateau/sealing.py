"""Seals the trained model: a signed manifest of its files' digests, checked before anything of it is loaded.

A model is code in effect: who can change it decides what patients are told. The manifest lies beside the model:
{"files": {name: sha256}, "signed_at": ISO time, "signature": base64 of an Ed25519 signature over the rest}.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MODEL = Path("models") / "plateau.tar.gz"
# What the safety net's ear has learned; a part of the model that lies in the package.
WEIGHTS = Path(__file__).parent / "understanding" / "listener" / "weights"
KEY_FILE = Path("var") / "model.key"
SUFFIX = ".seal.json"
MODEL_NAME, WEIGHTS_NAME = "model", "weights"
SIGN = "if you trained it yourself or trust whoever did, run `plateau model sign`, else delete it and run `make setup`"


class BrokenSeal(RuntimeError):
    """A part of the model is not what was signed; the message names it and says what to do."""


class KeyProblem(BrokenSeal):
    """The key to sign or to check with is missing or is none."""


class Seal:
    """The checked manifest of the model at `model`; raises BrokenSeal when it is missing or not signed by `key`."""

    def __init__(self, model: Path, key: Ed25519PublicKey) -> None:
        self._model = model
        file = seal_file(model)
        try:
            raw = json.loads(file.read_text("utf-8"))
            signature = base64.b64decode(raw.pop("signature"), validate=True)
            self._files: Mapping[str, str] = {str(name): str(value) for name, value in raw["files"].items()}
        except FileNotFoundError:
            raise BrokenSeal(f"{model}: is not signed ({file} is missing); {SIGN}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise BrokenSeal(f"{file}: is no seal of a model; {SIGN}") from None
        try:
            key.verify(signature, _signed(raw))
        except InvalidSignature:
            wrong = f"{file}: was not signed with the key that this machine trusts, or was changed since"
            raise BrokenSeal(f"{wrong}; {SIGN}") from None

    def check_model(self) -> None:
        """Raise BrokenSeal unless the model is the one signed."""
        self._check(self._model, {MODEL_NAME: _digest(self._model)}, MODEL_NAME)

    def check_weights(self, folder: Path = WEIGHTS) -> None:
        """Raise BrokenSeal unless the listener's weights are those signed: the same files, none more, none less."""
        self._check(folder, dict(_weights(folder)), WEIGHTS_NAME)

    def _check(self, what: Path, found: Mapping[str, str], kind: str) -> None:
        meant = {name: value for name, value in self._files.items() if name.partition("/")[0] == kind}
        if wrong := sorted(name for name in meant.keys() | found.keys() if meant.get(name) != found.get(name)):
            raise BrokenSeal(f"{what}: is not what was signed ({', '.join(wrong)}); {SIGN}")


def seal(model: Path, key: Ed25519PrivateKey, weights: Path = WEIGHTS) -> Path:
    """Sign the model and the weights as they are now; return the manifest's file."""
    if not model.is_file():
        raise BrokenSeal(f"{model}: there is no trained model; run `make setup`")
    files = {MODEL_NAME: _digest(model), **dict(_weights(weights))}
    manifest: dict[str, Any] = {"files": files, "signed_at": datetime.now(UTC).isoformat(timespec="seconds")}
    signature = base64.b64encode(key.sign(_signed(manifest))).decode()
    file = seal_file(model)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(json.dumps({**manifest, "signature": signature}, indent=2) + "\n", "utf-8")
    aside.replace(file)
    return file


def seal_file(model: Path) -> Path:
    """Return where the model's manifest lies."""
    return model.with_name(model.name.removesuffix(".tar.gz") + SUFFIX)


def public_key_file() -> Path:
    """Return where the public part of the key lies: beside it, readable by the server where the key itself is not."""
    return key_file().with_suffix(".pub")


def key_file() -> Path:
    """Return where this machine's own key lies: PLATEAU_MODEL_KEY, or `var/model.key` here or where Plateau is."""
    if given := os.environ.get("PLATEAU_MODEL_KEY"):
        return Path(given)
    installed = Path(__file__).resolve().parents[1] / KEY_FILE
    there, here = (file.with_suffix(".pub").exists() for file in (installed, KEY_FILE))
    return installed if there and not here else KEY_FILE


def private_key(*, make: bool = False) -> Ed25519PrivateKey:
    """Return this machine's key, made where there is none yet if `make`; raises KeyProblem."""
    file = key_file()
    if make and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_text(base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode() + "\n")
        try:
            file.hardlink_to(aside)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    try:
        key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(file.read_text().strip(), validate=True))
        if make and not public_key_file().exists():
            public_key_file().write_text(printed(key.public_key()) + "\n")
        return key
    except OSError:
        raise KeyProblem(f"{file}: there is no key to sign with, or it cannot be read; run `make setup`") from None
    except ValueError:
        raise KeyProblem(f"{file}: is not a key of `plateau model sign`: 32 bytes in base 64") from None


def public_key() -> Ed25519PublicKey:
    """Return the key to check with: PLATEAU_MODEL_PUBLIC_KEY, or this machine's own; raises KeyProblem."""
    given, source = os.environ.get("PLATEAU_MODEL_PUBLIC_KEY"), "PLATEAU_MODEL_PUBLIC_KEY"
    if not given:
        source = str(public_key_file())
        try:
            given = public_key_file().read_text("utf-8")
        except OSError:
            raise KeyProblem(f"{source}: there is no key to check the model with; run `make setup`") from None
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(given.strip(), validate=True))
    except ValueError:
        raise KeyProblem(f"{source}: is not what `plateau model key` prints") from None


def printed(key: Ed25519PublicKey) -> str:
    """Return a public key as PLATEAU_MODEL_PUBLIC_KEY takes it."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def _signed(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()


def _weights(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield f"{WEIGHTS_NAME}/{file.relative_to(folder).as_posix()}", _digest(file)


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()
