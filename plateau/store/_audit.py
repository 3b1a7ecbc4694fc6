"""The audit trail: only ever added to, each entry linked to the one before with a key kept elsewhere."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from ._models import Audit
from ._vault import FIRST_LINK, Vault, Work

# Any number will do, as long as every worker takes the same one to add an entry.
CHAIN_LOCK = 7_528_284
RESTORE = "restore"
AUDIT_KINDS = (
    "consent",
    "code_used",
    "link_opened",
    "report",
    "summary_sent",
    "staff_opened",
    "staff_wrote",
    "export",
    "erase",
    "purge",
    "keys_rotated",
    "backup",
    RESTORE,
)
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit entry; `subject` is a pseudonym, or None where it concerns nobody alone."""

    seq: int
    at: datetime
    kind: str
    subject: str | None
    detail: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON has it."""
        at = self.at.isoformat(timespec="microseconds")
        return {"seq": self.seq, "at": at, "kind": self.kind, "subject": self.subject, "detail": self.detail}


class Broken(Exception):
    """The audit trail was tampered with; says where first, and how it shows."""


def add_entry(session: Session, kind: str, subject: str | None = None, **detail: Any) -> None:
    """Add an entry as this transaction ends; raises ValueError for a kind that is none."""
    if kind not in AUDIT_KINDS:
        raise ValueError(f"an audit entry cannot be {kind!r}; allowed: {', '.join(AUDIT_KINDS)}")
    work: Work = session.info["plateau"]
    work.entries.append({"at": datetime.now(UTC), "kind": kind, "subject": subject, "detail": detail})


def write_entries(session: Session, work: Work) -> None:
    """Add the entries of this transaction to the end of the trail, one transaction at a time."""
    if not work.entries:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_advisory_xact_lock({CHAIN_LOCK})"))
    last = session.execute(select(Audit.seq, Audit.link).order_by(Audit.seq.desc()).limit(1)).one_or_none()
    seq, link = (last.seq, bytes(last.link)) if last else (0, FIRST_LINK)
    # Where the end was cut off, the numbers go on after it, so that the gap stays to be seen.
    seq = max(seq, work.vault.head()[0])
    rows = []
    for entry in work.entries:
        seq += 1
        made = Entry(seq=seq, **entry)
        link = _link(work.vault.chain, link, made)
        rows.append({**made.to_dict(), "at": made.at, "link": link})
    session.execute(insert(Audit), rows)
    work.head = (seq, link)


def entries(session: Session, subject: str | None = None) -> Iterator[Entry]:
    """Yield the entries in order, those about `subject` alone if it is given."""
    for entry, _ in _rows(session, subject):
        yield entry


def verify(session: Session, vault: Vault) -> int:
    """Return how many entries the trail has; raises Broken, naming the first one that is not as it was written."""
    end, end_link = vault.head()
    seq, link, number = 0, FIRST_LINK, 0
    for entry, stored in _rows(session):
        if entry.seq != seq + 1 and not (entry.kind == RESTORE and entry.detail.get("after") == seq):
            raise Broken(f"entry {seq + 1}: is missing, and so are all up to {entry.seq - 1}")
        if not hmac.compare_digest(_link(vault.chain, link, entry), stored):
            raise Broken(f"entry {entry.seq}: was changed or put in")
        if entry.seq == end and not hmac.compare_digest(stored, end_link):
            raise Broken(f"entry {entry.seq}: is not the one that was written last")
        seq, link, number = entry.seq, stored, number + 1
    if seq < end:
        raise Broken(f"entry {seq + 1}: is missing, and so are all up to {end}: the end was cut off")
    return number


def _rows(session: Session, subject: str | None = None) -> Iterator[tuple[Entry, bytes]]:
    after = 0
    found = select(Audit.seq, Audit.at, Audit.kind, Audit.subject, Audit.detail, Audit.link).order_by(Audit.seq)
    if subject is not None:
        found = found.where(Audit.subject == subject)
    while batch := session.execute(found.where(Audit.seq > after).limit(BATCH)).all():
        yield from ((Entry(*row[:5]), bytes(row.link)) for row in batch)
        after = batch[-1].seq


def _link(chain: bytes, before: bytes, entry: Entry) -> bytes:
    told = json.dumps(entry.to_dict(), sort_keys=True, separators=(",", ":"))
    return hmac.digest(chain, before + told.encode(), "sha256")
