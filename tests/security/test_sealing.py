"""The model is loaded only as it was signed; a server without it stays up, says so, and still answers danger."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_server import RealServer

from plateau import sealing
from plateau.cli import main
from plateau.understanding.listener import WEIGHTS

EMERGENCY = {"id": "m1", "text": "I have crushing chest pain and I cannot breathe"}


class Sealed:
    """A small model with its weights and seal in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.model, self.weights = folder / "small.tar.gz", folder / "weights"
        self.weights.mkdir()
        self.model.write_bytes(b"a model")
        (self.weights / "tier.npz").write_bytes(b"weights")
        (self.weights / "flag.npz").write_bytes(b"more")
        self.key = Ed25519PrivateKey.generate()
        self.file = sealing.seal(self.model, self.key, self.weights)

    def check(self) -> None:
        seal = sealing.Seal(self.model, self.key.public_key())
        seal.check_weights(self.weights)
        seal.check_model()

    def edit(self, change: Callable[[dict[str, object]], object]) -> None:
        raw = json.loads(self.file.read_text())
        change(raw)
        self.file.write_text(json.dumps(raw))


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path)


def swap(sealed: Sealed) -> None:
    one, two = sealed.weights / "tier.npz", sealed.weights / "flag.npz"
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)


CHANGES: list[tuple[str, Callable[[Sealed], object], str]] = [
    ("a changed byte of the model", lambda one: one.model.write_bytes(b"b model"), "is not what was signed (model)"),
    ("a model cut short", lambda one: one.model.write_bytes(b"a mode"), "is not what was signed (model)"),
    ("a changed byte of the weights", lambda one: (one.weights / "tier.npz").write_bytes(b"x"), "weights/tier.npz"),
    ("swapped weights", swap, "weights/flag.npz, weights/tier.npz"),
    ("one file more", lambda one: (one.weights / "more.npz").write_bytes(b"x"), "weights/more.npz"),
    ("one file less", lambda one: (one.weights / "tier.npz").unlink(), "weights/tier.npz"),
    ("no seal", lambda one: one.file.unlink(), "is not signed"),
    ("an empty seal", lambda one: one.file.write_text(""), "is no seal"),
    ("a seal that is a list", lambda one: one.file.write_text("[]"), "is no seal"),
    ("a seal without signature", lambda one: one.edit(lambda raw: raw.pop("signature")), "is no seal"),
    ("a seal without files", lambda one: one.edit(lambda raw: raw.update(files={})), "was changed since"),
    ("a seal of another day", lambda one: one.edit(lambda raw: raw.update(signed_at="2020")), "was changed since"),
    ("a seal by another", lambda one: sealing.seal(one.model, Ed25519PrivateKey.generate(), one.weights), "was not"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [pytest.param(*row[1:], id=row[0]) for row in CHANGES])
def test_what_is_not_as_it_was_signed_is_refused_in_words(
    sealed: Sealed, change: Callable[[Sealed], object], said: str
) -> None:
    sealed.check()
    change(sealed)
    with pytest.raises(sealing.BrokenSeal) as refused:
        sealed.check()
    assert said in str(refused.value)
    assert "plateau model sign" in str(refused.value)


def test_the_weights_sealed_are_those_that_the_listener_loads() -> None:
    assert sealing.WEIGHTS == WEIGHTS


# ---------------------------------------------------------------- keys and the command


def test_signing_makes_a_key_that_is_its_owners_alone(
    sealed: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLATEAU_MODEL_KEY", str(tmp_path / "keys" / "model.key"))
    monkeypatch.delenv("PLATEAU_MODEL_PUBLIC_KEY", raising=False)
    given = ["--model", str(sealed.model)]
    assert main(["model", "verify", *given]) == 2
    assert "there is no key" in capsys.readouterr().err
    assert main(["model", "sign", *given]) == 0
    assert (tmp_path / "keys" / "model.key").stat().st_mode & 0o777 == 0o600
    assert main(["model", "verify", *given]) == 0
    assert main(["model", "key"]) == 0
    public = capsys.readouterr().out.strip()
    # Who serves need not be able to sign: the image of a container may be without the key.
    (tmp_path / "keys" / "model.key").unlink()
    assert main(["model", "verify", *given]) == 0
    # A machine that only serves has the public key and no other.
    monkeypatch.setenv("PLATEAU_MODEL_KEY", str(tmp_path / "none"))
    monkeypatch.setenv("PLATEAU_MODEL_PUBLIC_KEY", public)
    assert main(["model", "verify", *given]) == 0
    sealed.model.write_bytes(b"another")
    assert main(["model", "verify", *given]) == 1
    assert "is not what was signed (model)" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["x", "ä", "AAAA", "A" * 44])
def test_a_public_key_that_is_none_is_named(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEAU_MODEL_PUBLIC_KEY", key)
    with pytest.raises(sealing.KeyProblem, match="PLATEAU_MODEL_PUBLIC_KEY"):
        sealing.public_key()


# ---------------------------------------------------------------- the server


def test_a_server_whose_model_was_changed_stays_up_and_answers_danger_and_nothing_else(
    unsealed_server: RealServer,
) -> None:
    unsealed = unsealed_server
    assert unsealed.call("GET", "/ready").status == 503
    begun = unsealed.call("POST", "/api/session")
    assert (begun.status, begun.json()["error"]["code"]) == (503, "not_saved")
    told = unsealed.call("POST", "/api/turn", EMERGENCY, token="of a day before")
    assert told.status == 401 and "911" in told.json()["turn"]["messages"][0]["text"]
    assert unsealed.alive()
