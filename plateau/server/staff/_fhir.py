"""A finished re-evaluation to the clinic's FHIR R4 server: one transaction, which can come twice."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from plateau.server._settings import encrypted
from plateau.server.platforms import Refused, Unreachable
from plateau.server.platforms._http import Web, packed

from ._sender import Letter

logger = logging.getLogger(__name__)

KIND = "application/fhir+json"
# The system of identifiers that are URIs (hl7.org/fhir/R4/identifier-registry.html).
URIS = "urn:ietf:rfc:3986"
# Content that the server will never take: not FHIR, against its rules, or already there more than once.
NEVER = (400, 412, 413, 415, 422)


class Fhir:
    """A FHIR server's base address, with its bearer token where it wants one."""

    name = "fhir"

    def __init__(self, base: str, token: str | None, web: Web | None = None) -> None:
        self._base, self._token = encrypted("staff.fhir", base), token
        self._web = web or Web("staff.fhir")

    async def send(self, key: str, letter: Letter) -> None:
        """Post the letter's `bundle` as a transaction; raises Unreachable or Refused, KeyError without a bundle."""
        headers = {"Accept": KIND, "Prefer": "return=minimal"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        answer = await self._web.post(self._base, packed(transaction(letter["bundle"])), KIND, headers)
        told = answer.json()
        if answer.taken and (told.get("resourceType"), told.get("type")) == ("Bundle", "transaction-response"):
            return
        if answer.status in NEVER:
            raise Refused(f"staff.fhir: answered {answer.status}")
        if answer.status not in (408, 409, 425):
            logger.error("staff.fhir: address or token are wrong: answered %s", answer.status)
        raise Unreachable(f"staff.fhir: answered {answer.status}")

    async def close(self) -> None:
        """Let connections go."""
        await self._web.close()


def transaction(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """Return a collection of `plateau.report` as a transaction (hl7.org/fhir/R4/http.html#transaction).

    A server keeps a collection as one document and reads nothing in it; of a transaction it creates each resource: only
    where none with its identifier is there yet, so that the same one twice is there once. The ids are the server's to
    give; it replaces the urn:uuid references in the same step.
    """
    return {
        "resourceType": "Bundle",
        "identifier": bundle["identifier"],
        "type": "transaction",
        "timestamp": bundle["timestamp"],
        "entry": [_entry(entry) for entry in bundle["entry"]],
    }


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    name, resource = entry["fullUrl"], {field: value for field, value in entry["resource"].items() if field != "id"}
    if "identifier" not in resource and "url" not in resource:
        resource["identifier"] = [{"system": URIS, "value": name}]
    kind = resource["resourceType"]
    request = {"method": "POST", "url": kind, "ifNoneExist": _search(resource)}
    return {"fullUrl": name, "resource": resource, "request": request}


def _search(resource: Mapping[str, Any]) -> str:
    """Return the query that finds the resource by what names it: url and version, or identifier."""
    if "url" in resource:
        return f"url={_value(resource['url'])}&version={_value(resource['version'])}"
    found = resource["identifier"]
    first = found[0] if isinstance(found, list) else found
    return f"identifier={_value(first['system'])}|{_value(first['value'])}"


def _value(text: str) -> str:
    """Return a value for a search: what has a meaning there is escaped (hl7.org/fhir/R4/search.html#escaping)."""
    return quote(re.sub(r"([\\|,$])", r"\\\1", text), safe="")
