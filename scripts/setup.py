#!/usr/bin/env python3
"""Sets Plateau up in this folder: environment, packages, component, model; with --tests also what the tests need.

Safe to repeat: a step whose result is there already says so and is skipped. Needs only Python 3.11 with venv.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
# Each needs newer packages than Rasa allows, so it has an environment of its own.
APART = {"The FHIR library of the tests": "fhir", "The fuzzer of the tests": "fuzz"}
LOCKS = ("requirements.lock", "requirements-web.lock", "requirements-dev.lock")
SERVER_LOCKS = LOCKS[:2]
UV = "uv==0.13.9"
WEB = ROOT / "web"
# What the component is built from.
WEB_SOURCES = ("package-lock.json", "package.json", ".npmrc", "build.mjs", "tsconfig.json", "src")
MODEL = ROOT / "models" / "plateau.tar.gz"
WEIGHTS = ROOT / "plateau" / "understanding" / "listener" / "weights" / "rarity.npz"
# The reader and the listener learn from what their rules see, so these are sources as well.
MODEL_SOURCES = ("config.yml", "domain.yml", "requirements.lock", "data", "plateau/understanding")
APT = {
    "usr/bin/chromium": "chromium",
    "usr/lib/postgresql/*/bin/initdb": "postgresql",
    "usr/sbin/nginx": "nginx-light",
}


class SetupError(SystemExit):
    """Something is missing on this machine; the message holds the line that installs it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", action="store_true", help="also install what only the tests need")
    parser.add_argument("--no-train", action="store_true", help="leave the model alone")
    options = parser.parse_args()
    locks = LOCKS if options.tests else SERVER_LOCKS
    steps: list[tuple[str, Callable[[], str]]] = [
        ("Python environment in .venv", make_environment),
        ("Packages from the lock", lambda: install_packages(locks)),
        ("Plateau itself", install_plateau),
        ("The chat component", build_component),
    ]
    if options.tests:
        steps.append(("What only the tests need (Chromium, PostgreSQL, nginx)", install_test_programs))
        for title, name in APART.items():
            steps.append((f"{title} in .venv-{name}", partial(make_environment_apart, name)))
    if not options.no_train:
        steps.append(("The model (trained anew, it takes about a minute)", train))
    for number, (title, step) in enumerate(steps, start=1):
        started = time.monotonic()
        print(f"[{number}/{len(steps)}] {title} ...", flush=True)
        result = step()
        print(f"[{number}/{len(steps)}] {title}: {result} ({time.monotonic() - started:.0f} s)", flush=True)


def make_environment() -> str:
    if (BIN / "python").exists() and (BIN / "uv").exists():
        return "already there"
    python = find_python()
    if not can_make_environments(python):
        raise SetupError(
            "Python's venv module is missing. Install it with:\n\n    apt-get install -y python3.11-venv\n"
        )
    run([python, "-m", "venv", str(VENV)])
    run([str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV])
    return "made"


def find_python() -> str:
    for name in (sys.executable, shutil.which("python3.11"), shutil.which("python3")):
        if name and output([name, "-c", "import sys; print(*sys.version_info[:2])"]).split() == ["3", "11"]:
            return name
    raise SetupError(
        "Plateau needs Python 3.11. Install it with:\n\n    apt-get install -y python3.11 python3.11-venv\n"
    )


def can_make_environments(python: str) -> bool:
    return subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0


def install_packages(locks: Sequence[str]) -> str:
    stamp = VENV / "packages.stamp"
    wanted = digest(ROOT / lock for lock in locks)
    held = stamp.read_text().split() if stamp.exists() else []
    if wanted in held:
        return "already there"
    run([str(BIN / "uv"), "pip", "sync", "--quiet", "--python", str(BIN / "python"), *locks])
    # The tests' packages hold the server's too: one who has them needs no second installation.
    stamp.write_text("\n".join({wanted, digest(ROOT / lock for lock in SERVER_LOCKS)}))
    (VENV / "plateau.stamp").unlink(missing_ok=True)
    return "installed"


def install_plateau() -> str:
    stamp = VENV / "plateau.stamp"
    wanted = digest([ROOT / "pyproject.toml"])
    if stamp.exists() and stamp.read_text() == wanted:
        return "already there"
    uv = [str(BIN / "uv"), "pip", "install", "--quiet", "--python", str(BIN / "python")]
    run([*uv, "--no-deps", "--editable", "."])
    stamp.write_text(wanted)
    return "installed"


def build_component() -> str:
    stamp = WEB / "dist" / "manifest.json.stamp"
    wanted = digest(web_sources())
    if (WEB / "dist" / "manifest.json").exists() and stamp.exists() and stamp.read_text() == wanted:
        return "already built"
    held = WEB / "node_modules" / "plateau.stamp"
    locked = digest([WEB / "package-lock.json"])
    if not held.exists() or held.read_text() != locked:
        run([str(BIN / "npm"), "ci"], with_node(), WEB)
        held.write_text(locked)
    run([str(BIN / "node"), "build.mjs"], with_node(), WEB)
    stamp.write_text(wanted)
    return "built"


def web_sources() -> Iterable[Path]:
    for name in WEB_SOURCES:
        path = WEB / name
        yield from sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]


def with_node() -> dict[str, str]:
    """The environment in which npm and its programs find the Node of the lock, and no other."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def install_test_programs() -> str:
    missing = [package for pattern, package in APT.items() if not any(Path("/").glob(pattern))]
    if not missing:
        return "already there"
    line = "apt-get update && apt-get install -y --no-install-recommends " + " ".join(missing)
    if os.geteuid() != 0:
        raise SetupError(f"The tests need {' and '.join(missing)}. As root, run:\n\n    {line}\n")
    run(["bash", "-c", line.replace("apt-get", "DEBIAN_FRONTEND=noninteractive apt-get -qq")])
    return "installed"


def make_environment_apart(name: str) -> str:
    """Make .venv-NAME from requirements-NAME.lock."""
    venv, lock = ROOT / f".venv-{name}", f"requirements-{name}.lock"
    stamp, python = venv / "packages.stamp", venv / "bin" / "python"
    wanted = digest([ROOT / lock])
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return "already there"
    uv = str(BIN / "uv")
    run([uv, "venv", "--quiet", "--clear", "--python", str(BIN / "python"), str(venv)])
    run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), lock])
    stamp.write_text(wanted)
    return "made"


def train() -> str:
    stamp = MODEL.with_suffix(".stamp")
    wanted = digest(model_sources())
    if MODEL.exists() and WEIGHTS.exists() and stamp.exists() and stamp.read_text() == wanted:
        check = [str(BIN / "python"), "-m", "plateau", "model", "verify"]
        told = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
        return "already trained" if told.returncode == 0 else f"already trained, but {told.stderr.strip()}"
    MODEL.parent.mkdir(exist_ok=True)
    quiet = {
        "RASA_TELEMETRY_ENABLED": "false",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
        "LOG_LEVEL": "WARNING",
    }
    python, name = str(BIN / "python"), MODEL.name.removesuffix(".tar.gz")
    commands = (
        [python, "scripts/train_listener.py"],
        [python, "-m", "rasa", "train", "--skip-validation", "--fixed-model-name", name, "--out", "models"],
    )
    # They share nothing, and two cores are the least a machine has.
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda command: run(command, {**os.environ, **quiet}), commands))
    # Only what was trained just now: what has been changed since must not be signed by the next set-up.
    run([python, "-m", "plateau", "model", "sign"])
    stamp.write_text(wanted)
    return "trained and signed"


def model_sources() -> Iterable[Path]:
    for name in MODEL_SOURCES:
        path = ROOT / name
        yield from sorted((*path.rglob("*.yml"), *path.rglob("*.py"))) if path.is_dir() else [path]


def digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def run(command: Sequence[str], environment: dict[str, str] | None = None, folder: Path = ROOT) -> None:
    """Run a step's command without its chatter; what it said is shown only when it fails."""
    result = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        print("\n".join(result.stdout.splitlines()[-40:]), file=sys.stderr)
        raise SetupError(f"This failed with code {result.returncode}: {' '.join(command)}")


def output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
