"""The web component's built files: the current one, and those of earlier versions that clinics' pages still ask for."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256, sha384
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from plateau.content import SettingError

logger = logging.getLogger(__name__)

FOLDER = "component"
PATH = "/component"
LATEST = "plateau-chat.js"
SET_UP = "allowed: what python3 scripts/setup.py builds; run it"
# The last part is the start of the file's SHA-256 (web/build.mjs).
_NAME = re.compile(r"plateau-chat-[0-9a-z.]+-([0-9a-f]{8})\.js")
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)
# Any page may load the component: it holds nothing of a patient, and the API decides for itself whom it answers.
_PUBLIC = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Built:
    """One file of the component, as it is and compressed."""

    name: str
    plain: bytes
    packed: bytes


class Component:
    """The component's files: the current one of `web`, and every one that was current before, kept in `data`."""

    def __init__(self, web: Path, data: Path) -> None:
        self._folder = data / FOLDER
        name, self.integrity, content = _current(web / "dist")
        self._current = _built(name, content)
        self._files = {name: self._current}
        _keep(self._folder, name, content)

    @property
    def path(self) -> str:
        """Where the current file is served, for as long as it is kept."""
        return f"{PATH}/{self._current.name}"

    def answer(self, name: str, headers: Headers) -> Response | None:
        """Return the response to a request for the file `name`, or None where there is none."""
        if name == LATEST:
            return _latest(self._current, headers)
        found = self._files.get(name) or self._kept(name)
        return None if found is None else _sent(found, headers, {"Cache-Control": _FOREVER})

    def _kept(self, name: str) -> Built | None:
        """Return an earlier version's file, or one that another worker has kept since this one started."""
        if not _NAME.fullmatch(name):
            return None
        try:
            content = (self._folder / name).read_bytes()
        except OSError:
            return None
        if not _is_of(name, content):
            logger.error("%s is not served: its content is not what its name says", name)
            return None
        return self._files.setdefault(name, _built(name, content))


def _current(dist: Path) -> tuple[str, str, bytes]:
    """Return the built file's name, integrity and content; raises SettingError where it is missing or broken."""
    manifest = dist / "manifest.json"
    try:
        raw: Any = json.loads(manifest.read_text(encoding="utf-8"))
    except OSError:
        raise SettingError(f"{manifest}: cannot be read; {SET_UP}") from None
    except ValueError:
        raise SettingError(f"{manifest}: is not valid JSON; {SET_UP}") from None
    for field in ("file", "integrity"):
        if not isinstance(raw, dict) or not isinstance(raw.get(field), str):
            raise SettingError(f"{manifest}: {field}: is missing or no text; {SET_UP}")
    name, integrity = raw["file"], raw["integrity"]
    if not _NAME.fullmatch(name):
        raise SettingError(f"{manifest}: file: {name!r} is not a name of the component; {SET_UP}")
    try:
        content = (dist / name).read_bytes()
    except OSError:
        raise SettingError(f"{dist / name}: cannot be read; {SET_UP}") from None
    if not _is_of(name, content) or integrity != f"sha384-{base64.b64encode(sha384(content).digest()).decode()}":
        raise SettingError(f"{dist / name}: is not the file that {manifest.name} names; {SET_UP}")
    return name, integrity, content


def _is_of(name: str, content: bytes) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and sha256(content).hexdigest().startswith(found[1])


def _built(name: str, content: bytes) -> Built:
    return Built(name, content, gzip.compress(content, mtime=0))


def _keep(folder: Path, name: str, content: bytes) -> None:
    """Keep the file for after the next upgrade; where that fails, it is served for as long as it is current."""
    file, aside = folder / name, folder / f"{name}.{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            try:
                _write(aside, content)
                # Linked into place: another worker sees either the whole file or none, and the first one stays.
                with suppress(FileExistsError):
                    file.hardlink_to(aside)
            finally:
                aside.unlink(missing_ok=True)
        if file.read_bytes() != content:
            logger.error("%s holds something else and is left as it is; delete it to have %s kept", file, name)
    except OSError as error:
        logger.warning("%s is not kept for the time after an upgrade: %s", name, error)


def _write(file: Path, content: bytes) -> None:
    with file.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _latest(current: Built, headers: Headers) -> Response:
    """Return the current file under the name that stays; a browser asks each time whether its copy is still the one."""
    tag = f'"{current.name}"'
    # Weak, for it is the same file whether it comes compressed or not.
    more = {"Cache-Control": "no-cache", "ETag": f"W/{tag}"}
    known = {one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")}
    if known & {"*", tag}:
        return Response(status_code=304, headers={**_PUBLIC, **more})
    return _sent(current, headers, more)


def _sent(file: Built, headers: Headers, more: dict[str, str]) -> Response:
    packed = _GZIP.search(headers.get("accept-encoding", "")) is not None
    encoding = {"Content-Encoding": "gzip"} if packed else {}
    return Response(
        file.packed if packed else file.plain,
        media_type="text/javascript",
        headers={**_PUBLIC, **encoding, **more},
    )
