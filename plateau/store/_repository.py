"""Reads and writes what Plateau keeps, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, literal_column, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from ._audit import add_entry, entries
from ._errors import Conflict, StoreError
from ._inbox import DROP, Inbox
from ._models import (
    CONSENT_STATES,
    LINK_KINDS,
    Answer,
    Code,
    Contact,
    Conversation,
    Erasure,
    Event,
    Finding,
    Letter,
    Link,
    Notice,
    Patient,
    Plan,
    Reevaluation,
    Seen,
    Turn,
    Waiting,
    metadata,
)
from ._sealing import DataKey
from ._vault import Work

SESSION_STARTED = "session_started"
PURGE_BATCH = 500

# An answer and the patient's own words for it.
_Given = tuple[Any, str | None]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a conversation's log has come: the guard a save is checked against.

    `version` counts its events, `session_seq` is where the latest session begins, `created_at` tells it from an
    erased conversation of the same id. `key` names the conversation's data key. `with_staff`: the dialogue is silent.
    """

    version: int
    session_seq: int
    created_at: datetime
    key: str = field(default="", compare=False)
    with_staff: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a new message meets: how far its conversation has come, and what was said in it last.

    `reply` is the one that this very message already had; `waits` tells that other messages wait for theirs.
    """

    position: Position
    reply: Mapping[str, Any] | None
    last: Mapping[str, Any] | None
    waits: bool


@dataclass(frozen=True, slots=True)
class _Locked:
    patient_id: str | None
    version: int
    key_id: str


@dataclass(frozen=True, slots=True)
class ReevaluationRow:
    """One re-evaluation as it is stored; `assessment` and `finished_at` (UTC) are None until it has a plan.

    `said` maps questions to the patient's own words, for those answers that have some.
    """

    id: int
    conversation_id: str
    run: int
    patient_id: str | None
    started_at: datetime
    finished_at: datetime | None
    answers: Mapping[str, Any]
    said: Mapping[str, str]
    assessment: Mapping[str, Any] | None
    rules_version: str | None


@dataclass(frozen=True, slots=True)
class LinkRow:
    """What a link opens: `kind` ("plan" or "summary") of one run, until `expires_at` (UTC)."""

    conversation_id: str
    run: int
    kind: str
    expires_at: datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Repository:
    """Plateau's records in one open `session` of a `Database`; `now` returns the time to write on them.

    What patients say, answer or are told is sealed with a key of their conversation's. A conversation whose key was
    destroyed reads as not there, as in an old backup that still has its rows.
    """

    def __init__(self, session: Session, now: Callable[[], datetime] = _utc_now) -> None:
        self._session = session
        self._now = now
        self._work: Work = session.info["plateau"]
        self._dialect: str = session.get_bind().dialect.name
        self._upsert = _UPSERTS[self._dialect]

    # The conversation and its log of events

    def position(self, conversation_id: str) -> Position | None:
        """Return how far the conversation has come; None when there is no such conversation."""
        row = self._session.execute(_POSITION, {"of": conversation_id}).one_or_none()
        return None if row is None or self._work.vault.key(row.key_id) is None else Position(*row)

    def standing(self, conversation_id: str, client_message_id: str) -> Standing | None:
        """Return, in one statement, what a message meets; None when there is no such conversation."""
        row = self._session.execute(_STANDING, {"of": conversation_id, "message": client_message_id}).one_or_none()
        if row is None or (key := self._work.vault.key(row.key_id)) is None:
            return None

        def opened(message: str | None, sealed: Any) -> Mapping[str, Any] | None:
            return None if message is None else key.open(sealed, "turns", conversation_id, message)

        position = Position(row.version, row.session_seq, row.created_at, row.key_id, row.with_staff)
        last = opened(row.last_id, row.last_sealed)
        return Standing(position, opened(row.reply_id, row.reply_sealed), last, row.waits)

    def conversation_ids(self) -> list[str]:
        """Return the ids of the conversations that have events, oldest first."""
        found = select(Conversation.id).where(Conversation.version > 0)
        return list(self._session.execute(found.order_by(Conversation.created_at, Conversation.id)).scalars())

    def events(self, conversation_id: str, start: int, stop: int) -> list[dict[str, Any]]:
        """Return the events with start <= seq < stop, in order, as Rasa's dictionaries."""
        # The batch that `start` is in may begin before it.
        begins = select(func.max(Event.seq)).where(Event.conversation_id == conversation_id, Event.seq <= start)
        within = select(Event.seq, Event.count, Event.sealed, Conversation.key_id)
        within = within.join(Conversation, Conversation.id == Event.conversation_id)
        within = within.where(Event.conversation_id == conversation_id, Event.seq < stop)
        within = within.where(Event.seq >= func.coalesce(begins.scalar_subquery(), 0)).order_by(Event.seq)
        events: list[dict[str, Any]] = []
        for seq, count, sealed, key_id in self._session.execute(within).all():
            if (key := self._work.vault.key(key_id)) is None:
                return []
            batch = key.open(sealed, *_events_place(conversation_id, seq, count))
            events += batch[max(start - seq, 0) : max(stop - seq, 0)]
        return events

    def append(self, conversation_id: str, seen: Position | None, events: Sequence[Mapping[str, Any]]) -> Position:
        """Add Rasa event dictionaries to the log that was read at `seen` (None: the conversation was new).

        Returns the new position; raises Conflict, with nothing written, when the log has moved on since.
        """
        first = 0 if seen is None else seen.version
        started = [first + n for n, event in enumerate(events) if event["event"] == SESSION_STARTED]
        session_seq = started[-1] if started else (0 if seen is None else seen.session_seq)
        version = first + len(events)
        moved = {"version": version, "session_seq": session_seq, "updated_at": self._now()}
        if seen is None:
            key_id, created_at = self._begin_log(conversation_id, moved)
        else:
            key_id, created_at = seen.key, seen.created_at
        batch = self._batch(key_id, conversation_id, first, events)
        if seen is not None:
            self._move(seen, moved, conversation_id, batch)
        elif batch is not None:
            self._session.execute(_ADD_EVENTS, batch)
        if events and batch is None:
            raise StoreError(_ERASED)
        return Position(version, session_seq, created_at, key_id)

    def _batch(
        self, key_id: str, conversation_id: str, first: int, events: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any] | None:
        """Return the row of these events; None where there are none, or the key is gone."""
        key = self._work.vault.key(key_id) if events else None
        if key is None:
            return None
        sealed = key.seal(list(events), *_events_place(conversation_id, first, len(events)))
        return {"conversation_id": conversation_id, "seq": first, "count": len(events), "sealed": sealed}

    def _begin_log(self, conversation_id: str, moved: Mapping[str, Any]) -> tuple[str, datetime]:
        """Store a conversation's first position; return its key's id and when it was made. Raises Conflict."""
        locked = self._locked(conversation_id)
        row = {**self._new_conversation(conversation_id, None if locked is None else locked.key_id), **moved}
        begin = self._upsert(Conversation).values(row)
        begin = begin.on_conflict_do_update(index_elements=["id"], set_=moved, where=Conversation.version == 0)
        if not self._session.execute(begin).rowcount:
            raise Conflict(_TAKEN)
        stored = select(Conversation.key_id, Conversation.created_at, Conversation.patient_id)
        stored = stored.where(Conversation.id == conversation_id)
        key_id, created_at, patient_id = self._session.execute(stored).one()
        self._work.locked[conversation_id] = _Locked(patient_id, moved["version"], key_id)
        if key_id != row["key_id"]:
            # Someone else stored the conversation in between, with a key of their own.
            self._work.gone.append(row["key_id"])
        return key_id, created_at

    def _move(
        self, seen: Position, moved: Mapping[str, Any], conversation_id: str, events: Mapping[str, Any] | None
    ) -> None:
        """Move a conversation on from where it was seen, and add a batch of events; raises Conflict."""
        where = {"of": conversation_id, "seen_version": seen.version, "seen_created_at": seen.created_at, **moved}
        if self._dialect == "postgresql" and events is not None:
            # One statement: each costs a way to the server and back.
            row = self._session.execute(_MOVE_AND_ADD, {**where, **events}).one_or_none()
            if row is None:
                raise Conflict(_TAKEN)
            self._work.locked[conversation_id] = _Locked(*row)
            return
        if not self._session.execute(_MOVE, where).rowcount:
            raise Conflict(_TAKEN)
        if events is not None:
            self._session.execute(_ADD_EVENTS, events)

    # Consent and identity

    def save_consent(self, conversation_id: str, state: str, version: str | None = None) -> None:
        """Record the patient's consent: pending, given, declined or withdrawn, to `version` of the text.

        The same consent again changes nothing, so its time stays that of the first.
        """
        if state not in CONSENT_STATES:
            raise ValueError(f"consent cannot be {state!r}; allowed: {', '.join(CONSENT_STATES)}")
        key_id = self._lock(conversation_id).key_id
        consent = {"consent_state": state, "consent_version": version, "consent_at": self._now()}
        another = or_(Conversation.consent_state != state, Conversation.consent_version.is_distinct_from(version))
        changed = self._execute(update(Conversation).where(Conversation.id == conversation_id, another).values(consent))
        if changed.rowcount:
            self._note("consent", self._key(key_id).pseudonym(conversation_id), state=state, version=version)

    def consent(self, conversation_id: str) -> str:
        """Return the state of consent; pending for a conversation that is not stored."""
        found = select(Conversation.consent_state).where(Conversation.id == conversation_id)
        state: str | None = self._session.execute(found).scalar_one_or_none()
        return state or "pending"

    def begin(self, conversation_id: str) -> None:
        """Store a conversation in which nothing has been said yet."""
        self._lock(conversation_id)

    def hand_over(self, conversation_id: str, to_staff: bool) -> None:
        """Note that a person of the clinic writes with the patient from now on, or no longer."""
        since = self._now() if to_staff else None
        if to_staff:
            self._lock(conversation_id)
        self._execute(update(Conversation).where(Conversation.id == conversation_id).values(staff_since=since))

    def link_patient(self, conversation_id: str, patient_id: str) -> None:
        """Record whose conversation this is, for it and for every re-evaluation in it."""
        before = self._lock(conversation_id).patient_id
        if before == patient_id:
            return
        patient = self._upsert(Patient).values(id=patient_id, created_at=self._now())
        self._session.execute(patient.on_conflict_do_nothing())
        self._execute(update(Conversation).where(Conversation.id == conversation_id).values(patient_id=patient_id))
        owned = update(Reevaluation).where(Reevaluation.conversation_id == conversation_id)
        self._execute(owned.values(patient_id=patient_id))
        self._work.locked[conversation_id] = replace(self._work.locked[conversation_id], patient_id=patient_id)
        if before is not None:
            self._delete_lone([before])

    def patient_of(self, conversation_id: str) -> str | None:
        """Return whose conversation this is; None when that is not known, or there is no such conversation."""
        if (locked := self._work.locked.get(conversation_id)) is not None:
            known: str | None = locked.patient_id
            return known
        found = select(Conversation.patient_id).where(Conversation.id == conversation_id)
        patient_id: str | None = self._session.execute(found).scalar_one_or_none()
        return patient_id

    # Codes and links, of which only digests are kept

    def save_code(self, patient_id: str, digest: str, expires_at: datetime) -> None:
        """Make `digest` the patient's only code, valid before `expires_at`.

        Raises StoreError for a patient who is not stored, and for a digest that is another patient's.
        """
        code = {"digest": digest, "created_at": self._now(), "expires_at": expires_at}
        upsert = self._upsert(Code).values(patient_id=patient_id, **code)
        self._session.execute(upsert.on_conflict_do_update(index_elements=["patient_id"], set_=code))

    def patient_by_code(self, digest: str) -> str | None:
        """Return the patient whose code this is; None when it is unknown, replaced or expired."""
        found = select(Code.patient_id).where(Code.digest == digest, Code.expires_at > self._now())
        patient_id: str | None = self._session.execute(found).scalar_one_or_none()
        return patient_id if patient_id is not None and self._known(patient_id) else None

    def save_link(self, conversation_id: str, run: int, kind: str, digest: str, expires_at: datetime) -> None:
        """Let `digest` open `kind` (plan or summary) of the run before `expires_at`; again, it moves that time only.

        Raises StoreError for a conversation that is not stored, and for a digest that opens something else.
        """
        if kind not in LINK_KINDS:
            raise ValueError(f"a link cannot open {kind!r}; allowed: {', '.join(LINK_KINDS)}")
        opened = {"conversation_id": conversation_id, "run": run, "kind": kind}
        upsert = self._upsert(Link).values(digest=digest, created_at=self._now(), expires_at=expires_at, **opened)
        same = and_(*(getattr(Link, name) == value for name, value in opened.items()))
        upsert = upsert.on_conflict_do_update(index_elements=["digest"], set_={"expires_at": expires_at}, where=same)
        if not self._session.execute(upsert).rowcount:
            raise StoreError("the digest of a new link is that of another one")

    def link(self, digest: str) -> LinkRow | None:
        """Return what the link opens; None when it is unknown or expired."""
        found = select(Link.conversation_id, Link.run, Link.kind, Link.expires_at, Conversation.key_id)
        found = found.join(Conversation, Conversation.id == Link.conversation_id)
        row = self._session.execute(found.where(Link.digest == digest, Link.expires_at > self._now())).one_or_none()
        return None if row is None or self._work.vault.key(row.key_id) is None else LinkRow(*row[:4])

    # Re-evaluations

    def save_reevaluation(
        self,
        conversation_id: str,
        answers: Mapping[str, Any],
        assessment: Mapping[str, Any] | None = None,
        *,
        run: int = 1,
        patient_id: str | None = None,
        rules_version: str | None = None,
        said: Mapping[str, str] | None = None,
    ) -> None:
        """Make the stored re-evaluation equal to `answers` and `assessment`; the same call again changes nothing.

        An answer that is None, or no longer in `answers`, is deleted. Without an assessment a stored plan stays while
        the answers are still those it was made from, and is deleted when they changed. Without a patient id the
        conversation's stays. `said` maps questions to the patient's words: they replace the stored ones, which
        otherwise stay as long as the answer does; words for a question without an answer are not kept.
        """
        if patient_id is not None:
            self.link_patient(conversation_id, patient_id)
        locked = self._lock(conversation_id)
        rows = self._session.execute(_STORED, {"of": conversation_id, "run": run}).all()
        row_id = rows[0].id if rows else self._begin_run(conversation_id, run, locked.patient_id)
        sealer = _Sealer(self._key(locked.key_id), conversation_id, row_id)
        stored = sealer.answers((row.question, row.sealed) for row in rows if row.question is not None)
        given = {name: value for name, value in answers.items() if value is not None}
        changed = self._save_answers(sealer, stored, given, said or {})
        if assessment is not None:
            self._save_plan(sealer, assessment, rules_version)
        elif changed and rows and rows[0].finished_at is not None:
            self._delete_plan(row_id)

    def reevaluation(self, conversation_id: str, run: int | None = None) -> ReevaluationRow | None:
        """Return one run of the conversation, by default its latest; None when there is none."""
        found = _REEVALUATION.where(Reevaluation.conversation_id == conversation_id)
        if run is not None:
            found = found.where(Reevaluation.run == run)
        rows = self._reevaluations(found.order_by(Reevaluation.run.desc()).limit(1))
        return rows[0] if rows else None

    def latest(self, patient_id: str) -> ReevaluationRow | None:
        """Return the patient's latest finished re-evaluation, in whichever conversation; None when there is none."""
        rows = self.history(patient_id, limit=1)
        return rows[0] if rows else None

    def history(self, patient_id: str, limit: int = 20) -> list[ReevaluationRow]:
        """Return the patient's finished re-evaluations, latest first."""
        found = _REEVALUATION.where(Reevaluation.patient_id == patient_id, Reevaluation.finished_at.is_not(None))
        latest_first = found.order_by(Reevaluation.finished_at.desc(), Reevaluation.id.desc())
        return self._reevaluations(latest_first.limit(limit))

    def _reevaluations(self, query: Any) -> list[ReevaluationRow]:
        found = []
        for row in self._session.execute(query).all():
            if (key := self._work.vault.key(row.key_id)) is not None:
                sealer = _Sealer(key, row.conversation_id, row.id)
                given = sealer.answers(self._session.execute(_ANSWERS, {"of": row.id}).all())
                found.append(_reevaluation(row, sealer, given))
        return found

    def _begin_run(self, conversation_id: str, run: int, patient_id: str | None) -> int:
        of_run = select(Reevaluation.id).where(Reevaluation.conversation_id == conversation_id, Reevaluation.run == run)
        begun = {
            "conversation_id": conversation_id,
            "run": run,
            "patient_id": patient_id,
            "started_at": self._now(),
        }
        self._session.execute(self._upsert(Reevaluation).values(begun).on_conflict_do_nothing())
        row_id: int = self._session.execute(of_run).scalar_one()
        return row_id

    def _save_answers(
        self,
        sealer: _Sealer,
        stored: Mapping[str, _Given],
        answers: Mapping[str, Any],
        said: Mapping[str, str],
    ) -> bool:
        """Write what differs from the stored answers and words; tell whether an answer did."""
        row_id = sealer.row_id
        wanted = {name: _with_words(value, said.get(name), stored.get(name)) for name, value in answers.items()}
        fresh = {name: given for name, given in wanted.items() if stored.get(name) != given}
        gone = stored.keys() - answers.keys()
        if fresh:
            rows = [
                {"reevaluation_id": row_id, "question": name, "sealed": sealer.seal(given, "answers", name)}
                for name, given in fresh.items()
            ]
            self._session.execute(_PUT_ANSWERS[self._dialect], rows)
        if gone:
            self._execute(delete(Answer).where(Answer.reevaluation_id == row_id, Answer.question.in_(sorted(gone))))
        return bool(gone) or any(name not in stored or stored[name][0] != value for name, (value, _) in fresh.items())

    def _save_plan(self, sealer: _Sealer, assessment: Mapping[str, Any], rules_version: str | None) -> None:
        row_id = sealer.row_id
        stored = select(Plan.sealed, Plan.rules_version).where(Plan.reevaluation_id == row_id)
        known = self._session.execute(stored).one_or_none()
        if known is not None and (sealer.open(known.sealed, "plans"), known.rules_version) == (
            dict(assessment),
            rules_version,
        ):
            return
        now = self._now()
        plan = {"sealed": sealer.seal(dict(assessment), "plans"), "rules_version": rules_version, "created_at": now}
        upsert = self._upsert(Plan).values(reevaluation_id=row_id, **plan)
        self._session.execute(upsert.on_conflict_do_update(index_elements=["reevaluation_id"], set_=plan))
        self._save_findings(sealer, assessment.get("findings", ()))
        self._execute(update(Reevaluation).where(Reevaluation.id == row_id).values(finished_at=now))

    def _save_findings(self, sealer: _Sealer, findings: Iterable[Mapping[str, Any]]) -> None:
        self._execute(delete(Finding).where(Finding.reevaluation_id == sealer.row_id))
        rows = [
            {
                "reevaluation_id": sealer.row_id,
                "position": position,
                "sealed": sealer.seal({name: finding[name] for name in _FINDING}, "findings", position),
            }
            for position, finding in enumerate(findings)
        ]
        if rows:
            self._session.execute(insert(Finding), rows)

    def _delete_plan(self, row_id: int) -> None:
        self._execute(delete(Finding).where(Finding.reevaluation_id == row_id))
        self._execute(delete(Plan).where(Plan.reevaluation_id == row_id))
        self._execute(update(Reevaluation).where(Reevaluation.id == row_id).values(finished_at=None))

    # Replies

    def reply(self, conversation_id: str, client_message_id: str) -> dict[str, Any] | None:
        """Return the reply that this message already had; None when it is new."""
        return self._reply(_REPLY, of=conversation_id, message=client_message_id)

    def last_reply(self, conversation_id: str) -> dict[str, Any] | None:
        """Return the latest reply of the conversation; None when it has none."""
        return self._reply(_LAST_REPLY, of=conversation_id)

    def _reply(self, turn: Any, **where: str) -> dict[str, Any] | None:
        row = self._session.execute(turn, where).one_or_none()
        if row is None or (key := self._work.vault.key(row.key_id)) is None:
            return None
        reply: dict[str, Any] = key.open(row.sealed, "turns", where["of"], row.client_message_id)
        return reply

    def remember_reply(self, conversation_id: str, client_message_id: str, reply: Mapping[str, Any]) -> None:
        """Keep the reply to a message, which waits no longer; the first one stays, as the patient has seen it."""
        locked = self._lock(conversation_id)
        turn = {
            "conversation_id": conversation_id,
            "client_message_id": client_message_id,
            "version": locked.version,
            "sealed": self._key(locked.key_id).seal(dict(reply), "turns", conversation_id, client_message_id),
            "created_at": self._now(),
        }
        if self._dialect == "postgresql":
            self._session.execute(_ADD_TURN_AND_DROP, {**turn, "of": conversation_id, "message": client_message_id})
            return
        self._session.execute(_ADD_TURN["sqlite"], turn)
        Inbox(self._session).drop(conversation_id, client_message_id)

    # Export

    def export(self, conversation_id: str) -> dict[str, list[dict[str, Any]]]:
        """Return every row of the conversation, opened, its patient's code and the audit entries about it, by table.

        Times are aware datetimes; events come one by one.
        """
        theirs = select(Conversation.patient_id).where(Conversation.id == conversation_id)
        tables = [*_owned([conversation_id]), (Code, Code.patient_id.in_(theirs))]
        found = select(Conversation.key_id).where(Conversation.id == conversation_id)
        key_id = self._session.execute(found).scalar_one_or_none()
        key = None if key_id is None else self._work.vault.key(key_id)
        if key is None:
            return {name: [] for name in (*(model.__tablename__ for model, _ in tables), "audit")}
        rows = {model.__tablename__: [dict(row) for row in self._rows(model, condition)] for model, condition in tables}
        opened = {
            name: [one for row in rows[name] for one in _opened(key, conversation_id, name, row)] for name in rows
        }
        about = entries(self._session, key.pseudonym(conversation_id))
        return {**opened, "audit": [entry.to_dict() for entry in about]}

    # The audit trail

    def audit(self, kind: str, conversation_id: str, **detail: Any) -> None:
        """Add an entry about a conversation, as this transaction ends; about none when it is not there."""
        found = select(Conversation.key_id).where(Conversation.id == conversation_id)
        key_id = self._session.execute(found).scalar_one_or_none()
        key = None if key_id is None else self._work.vault.key(key_id)
        if key is not None:
            self._note(kind, key.pseudonym(conversation_id), **detail)

    def audit_code(self, patient_id: str) -> None:
        """Add an entry: the patient's code was used; it is about their latest conversation."""
        latest_first = select(Conversation.id).where(Conversation.patient_id == patient_id)
        latest_first = latest_first.order_by(Conversation.created_at.desc()).limit(1)
        conversation_id = self._session.execute(latest_first).scalar_one_or_none()
        if conversation_id is not None:
            self.audit("code_used", conversation_id)

    def audit_all(self, kind: str, **detail: Any) -> None:
        """Add an entry that is about nobody alone, such as a backup."""
        self._note(kind, None, **detail)

    def _note(self, kind: str, subject: str | None, **detail: Any) -> None:
        add_entry(self._session, kind, subject, **detail)

    # Erasure

    def forget(self, conversation_id: str) -> dict[str, int]:
        """Delete every row of the conversation, and its patient with their code when it was their only one.

        Returns counts by table.
        """
        return self._erase([conversation_id])

    def conversations_of(self, conversation_id: str) -> list[str]:
        """Return the conversation and the others of its patient."""
        patient = self.patient_of(conversation_id)
        if patient is None:
            return [conversation_id]
        theirs = select(Conversation.id).where(Conversation.patient_id == patient).order_by(Conversation.created_at)
        return list(self._session.execute(theirs).scalars())

    def forget_patient_of(self, conversation_id: str) -> dict[str, int]:
        """Delete every row of the conversation and of its patient's others; return counts by table."""
        return self._erase(self.conversations_of(conversation_id))

    def purge_unconsented(self, older_than: datetime, limit: int = PURGE_BATCH) -> int:
        """Forget up to `limit` conversations without consent that were last written before `older_than`.

        Returns how many went; call again while it returns `limit`, each time in a transaction of its own.
        """
        return self._purge(_UNCONSENTED, older_than, limit, "unconsented")

    def purge_finished(self, older_than: datetime, limit: int = PURGE_BATCH) -> int:
        """Forget up to `limit` conversations with consent, finished or not, last written before `older_than`.

        Those of a patient who has come back since stay, for the later visit is compared with them. Returns how many
        went; call again while it returns `limit`, each time in a transaction of its own.
        """
        later = aliased(Conversation)
        came_back = select(later.id).where(later.patient_id == Conversation.patient_id, later.updated_at >= older_than)
        return self._purge(and_(_CONSENTED, ~came_back.exists()), older_than, limit, "finished")

    def purge_expired(self, limit: int = PURGE_BATCH) -> int:
        """Delete up to `limit` expired codes and links, and what is known of messages taken long ago.

        Returns how many went; call again while it returns `limit`, each time in a transaction of its own.
        """
        codes = self._delete_expired(Code, limit)
        links = self._delete_expired(Link, limit - codes)
        seen = self._delete_expired(Seen, limit - codes - links)
        if codes or links:
            self._note("purge", None, codes=codes, links=links)
        # Keys whose rows went before a crash: they are destroyed as this transaction ends.
        self._work.gone += self._session.execute(select(Erasure.key_id).limit(limit)).scalars()
        return codes + links + seen

    def _delete_expired(self, model: Any, limit: int) -> int:
        expired = select(model.digest).where(model.expires_at <= self._now()).order_by(model.expires_at)
        expired = expired.limit(limit).with_for_update(skip_locked=True)
        digests = list(self._session.execute(expired).scalars())
        if digests:
            self._execute(delete(model).where(model.digest.in_(digests)))
        return len(digests)

    def _purge(self, consent: Any, older_than: datetime, limit: int, what: str) -> int:
        stale = select(Conversation.id).where(consent, Conversation.updated_at < older_than)
        stale = stale.order_by(Conversation.updated_at).limit(limit).with_for_update(skip_locked=True)
        ids = list(self._session.execute(stale).scalars())
        if ids:
            self._forget(ids)
            self._note("purge", None, **{what: len(ids)})
        return len(ids)

    def _erase(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        for conversation_id in conversation_ids:
            self.audit("erase", conversation_id)
        return self._forget(conversation_ids)

    def _forget(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        here = Conversation.id.in_(conversation_ids)
        # The lock makes a turn that is being saved wait, and then find nothing to add to.
        locked = self._session.execute(
            select(Conversation.patient_id, Conversation.key_id).where(here).with_for_update()
        )
        rows = locked.all()
        patients = sorted({row.patient_id for row in rows if row.patient_id is not None})
        if rows:
            # The rows go first, their keys once that is committed; what a crash leaves is on this list.
            self._session.execute(insert(Erasure).values([{"key_id": row.key_id} for row in rows]))
            self._work.gone += [row.key_id for row in rows]
        for conversation_id in conversation_ids:
            self._work.locked.pop(conversation_id, None)
        counts = {
            model.__tablename__: self._execute(delete(model).where(condition)).rowcount
            for model, condition in _owned(conversation_ids)
        }
        return {**counts, **self._delete_lone(patients)}

    def _delete_lone(self, patient_ids: Sequence[str]) -> dict[str, int]:
        """Delete those of the patients who have no conversation left, and their codes; return counts by table."""
        here = Patient.id.in_(patient_ids)
        # Whoever erases their other conversation, or saves a code, waits; the statements after this see what they did.
        self._session.execute(select(Patient.id).where(here).order_by(Patient.id).with_for_update()).all()
        theirs = select(Conversation.id).where(Conversation.patient_id == Patient.id)
        lone = select(Patient.id).where(here, ~theirs.exists())
        return {
            Code.__tablename__: self._execute(delete(Code).where(Code.patient_id.in_(lone))).rowcount,
            Patient.__tablename__: self._execute(delete(Patient).where(Patient.id.in_(lone))).rowcount,
        }

    # Helpers

    def _lock(self, conversation_id: str) -> Any:
        """Take the conversation for this transaction, storing it if it is new; return its patient and version."""
        row = self._locked(conversation_id)
        if row is None:
            made = self._new_conversation(conversation_id)
            self._session.execute(self._upsert(Conversation).values(made).on_conflict_do_nothing())
            row = self._locked(conversation_id)
            if row is None or row.key_id != made["key_id"]:
                self._work.gone.append(made["key_id"])
        return row

    def _locked(self, conversation_id: str) -> Any:
        if conversation_id not in self._work.locked:
            row = self._session.execute(_LOCKED, {"of": conversation_id}).one_or_none()
            if row is None:
                return None
            self._work.locked[conversation_id] = _Locked(*row)
        return self._work.locked[conversation_id]

    def _key(self, key_id: str) -> DataKey:
        key = self._work.vault.key(key_id)
        if key is None:
            raise StoreError(_ERASED)
        return key

    def _known(self, patient_id: str) -> bool:
        """Tell whether a conversation of the patient's can be read."""
        found = select(Conversation.key_id).where(Conversation.patient_id == patient_id)
        return any(self._work.vault.key(key_id) for key_id in self._session.execute(found).scalars())

    def _new_conversation(self, conversation_id: str, key_id: str | None = None) -> dict[str, Any]:
        """Return the row of a new conversation, with a new key unless it has one."""
        now = self._now()
        if key_id is None:
            key_id, _ = self._work.vault.create()
            self._work.made.append(key_id)
        return {
            "id": conversation_id,
            "key_id": key_id,
            "consent_state": "pending",
            "version": 0,
            "session_seq": 0,
            "created_at": now,
            "updated_at": now,
        }

    def _rows(self, model: Any, condition: Any) -> Any:
        table = model.__table__
        return self._session.execute(select(table).where(condition).order_by(*table.primary_key)).mappings()

    def _execute(self, statement: Any) -> Any:
        # No objects are loaded here, so none need to be kept in step with what is written.
        return self._session.execute(statement, execution_options={"synchronize_session": False})


# Made once: what every turn runs takes longer to put together than to run.
_CONVERSATIONS, _TURNS, _EVENTS, _INBOX = (
    metadata.tables[name] for name in ("conversations", "turns", "events", "inbox")
)
_conversations, _turns, _answers = _CONVERSATIONS.c, _TURNS.c, metadata.tables["answers"].c
_POSITION = select(
    _conversations.version,
    _conversations.session_seq,
    _conversations.created_at,
    _conversations.key_id,
    _conversations.staff_since.isnot(None),
).where(_conversations.id == bindparam("of"))
_LOCKED = select(_conversations.patient_id, _conversations.version, _conversations.key_id)
_LOCKED = _LOCKED.where(_conversations.id == bindparam("of")).with_for_update()
_MOVE = update(_CONVERSATIONS).where(
    _conversations.id == bindparam("of"),
    _conversations.version == bindparam("seen_version"),
    _conversations.created_at == bindparam("seen_created_at"),
)
_MOVE = _MOVE.values({name: bindparam(name) for name in ("version", "session_seq", "updated_at")})
_ADD_EVENTS = insert(_EVENTS)
_moved = _MOVE.returning(_conversations.patient_id, _conversations.version, _conversations.key_id).cte("moved")
_batch = ("conversation_id", "seq", "count", "sealed")
_MOVE_AND_ADD = select(_moved).add_cte(
    insert(_EVENTS)
    .from_select(_batch, select(*(bindparam(name, type_=_EVENTS.c[name].type) for name in _batch)).select_from(_moved))
    .cte("added")
)
_TURN = select(_turns.client_message_id, _turns.sealed, _conversations.key_id).select_from(
    _TURNS.join(_CONVERSATIONS, _conversations.id == _turns.conversation_id)
)
_TURN = _TURN.where(_turns.conversation_id == bindparam("of"))
_REPLY = _TURN.where(_turns.client_message_id == bindparam("message"))
_LAST_REPLY = _TURN.order_by(_turns.version.desc(), _turns.created_at.desc()).limit(1)
_last = select(_turns.client_message_id, _turns.sealed).where(_turns.conversation_id == bindparam("of"))
_last = _last.order_by(_turns.version.desc(), _turns.created_at.desc()).limit(1).subquery()
_had = _TURNS.alias()
_STANDING = select(
    _conversations.version,
    _conversations.session_seq,
    _conversations.created_at,
    _conversations.key_id,
    _conversations.staff_since.isnot(None).label("with_staff"),
    _last.c.client_message_id.label("last_id"),
    _last.c.sealed.label("last_sealed"),
    _had.c.client_message_id.label("reply_id"),
    _had.c.sealed.label("reply_sealed"),
    select(_INBOX.c.id)
    .where(_INBOX.c.conversation_id == bindparam("of"), _INBOX.c.client_message_id != bindparam("message"))
    .exists()
    .label("waits"),
).select_from(
    _CONVERSATIONS.outerjoin(
        _had, and_(_had.c.conversation_id == _conversations.id, _had.c.client_message_id == bindparam("message"))
    ).outerjoin(_last, true())
)
_STANDING = _STANDING.where(_conversations.id == bindparam("of"))
_UPSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_ADD_TURN = {dialect: insert(_TURNS).on_conflict_do_nothing() for dialect, insert in _UPSERTS.items()}
_turn = {column.name: bindparam(column.name, type_=column.type) for column in _TURNS.c}
_ADD_TURN_AND_DROP = _ADD_TURN["postgresql"].values(_turn).add_cte(DROP.cte("answered"))
_PUT_ANSWERS = {
    dialect: put.on_conflict_do_update(
        index_elements=["reevaluation_id", "question"], set_={"sealed": put.excluded.sealed}
    )
    for dialect, put in ((dialect, insert(metadata.tables["answers"])) for dialect, insert in _UPSERTS.items())
}
_runs = metadata.tables["reevaluations"].c
_STORED = select(_runs.id, _runs.finished_at, _answers.question, _answers.sealed).select_from(
    metadata.tables["reevaluations"].outerjoin(metadata.tables["answers"])
)
_STORED = _STORED.where(_runs.conversation_id == bindparam("of"), _runs.run == bindparam("run"))
_ANSWERS = select(_answers.question, _answers.sealed).where(_answers.reevaluation_id == bindparam("of"))
_FINDING = ("rule", "because", "source")
_ERASED = "the conversation was erased: its key is gone"
_TAKEN = "another turn of this conversation was saved first, or it was erased"
# As literals, or SQLite could not use the partial indexes.
_UNCONSENTED = literal_column("consent_state != 'given'")
_CONSENTED = literal_column("consent_state = 'given'")
_REEVALUATION = (
    select(
        Reevaluation.id,
        Reevaluation.conversation_id,
        Reevaluation.run,
        Reevaluation.patient_id,
        Reevaluation.started_at,
        Reevaluation.finished_at,
        Conversation.key_id,
        Plan.sealed,
        Plan.rules_version,
    )
    .join(Conversation, Conversation.id == Reevaluation.conversation_id)
    .outerjoin(Plan, Plan.reevaluation_id == Reevaluation.id)
)


@dataclass(frozen=True, slots=True)
class _Sealer:
    """Seals and opens what belongs to one re-evaluation, in its place."""

    key: DataKey
    conversation_id: str
    row_id: int

    def seal(self, value: Any, table: str, *row: str | int) -> bytes:
        return self.key.seal(value, table, self.conversation_id, self.row_id, *row)

    def open(self, sealed: bytes, table: str, *row: str | int) -> Any:
        return self.key.open(sealed, table, self.conversation_id, self.row_id, *row)

    def answers(self, rows: Iterable[Any]) -> dict[str, _Given]:
        return {question: tuple(self.open(sealed, "answers", question)) for question, sealed in rows}


def _reevaluation(row: Any, sealer: _Sealer, given: Mapping[str, _Given]) -> ReevaluationRow:
    return ReevaluationRow(
        id=row.id,
        conversation_id=row.conversation_id,
        run=row.run,
        patient_id=row.patient_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        answers={question: value for question, (value, _) in given.items()},
        said={question: words for question, (_, words) in given.items() if words is not None},
        assessment=None if row.sealed is None else sealer.open(row.sealed, "plans"),
        rules_version=row.rules_version,
    )


def _events_place(conversation_id: str, seq: int, count: int) -> tuple[str | int, ...]:
    return ("events", conversation_id, seq, count)


def _opened(key: DataKey, conversation_id: str, table: str, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a row of `table` holds, opened: a batch of events as each of them."""
    sealed = row.pop("sealed", None)
    if sealed is None:
        row.pop("key_id", None)
        yield row
        return
    if table == "events":
        first, count = row["seq"], row.pop("count")
        batch = key.open(sealed, *_events_place(conversation_id, first, count))
        for seq, event in enumerate(batch, start=first):
            at = datetime.fromtimestamp(event["timestamp"], UTC)
            yield {**row, "seq": seq, "type": event["event"], "timestamp": at, "data": event}
        return
    if table == "contacts":
        yield {**row, "address": key.open(sealed, table, conversation_id, row["channel"])}
        return
    if table in ("outbox", "notices"):
        yield {**row, "content": key.open(sealed, table, conversation_id, row["key"])}
        return
    if table in ("turns", "inbox"):
        words = "reply" if table == "turns" else "message"
        yield {**row, words: key.open(sealed, table, conversation_id, row["client_message_id"])}
        return
    sealer = _Sealer(key, conversation_id, row["reevaluation_id"])
    if table == "plans":
        yield {**row, "assessment": sealer.open(sealed, table)}
    elif table == "findings":
        yield {**row, **sealer.open(sealed, table, row["position"])}
    else:
        value, said = sealer.open(sealed, table, row["question"])
        yield {**row, "value": value, "said": said}


def _with_words(value: Any, words: str | None, stored: _Given | None) -> _Given:
    """Pair an answer with the new words, or else with those it was stored with, if it is still the same answer."""
    if words is None and stored is not None and stored[0] == value:
        return stored
    return value, words


def _owned(conversation_ids: Sequence[str]) -> list[tuple[Any, Any]]:
    """Return each table with the condition for these conversations' rows, children before parents."""
    runs = select(Reevaluation.id).where(Reevaluation.conversation_id.in_(conversation_ids))
    return [
        (Finding, Finding.reevaluation_id.in_(runs)),
        (Plan, Plan.reevaluation_id.in_(runs)),
        (Answer, Answer.reevaluation_id.in_(runs)),
        (Reevaluation, Reevaluation.conversation_id.in_(conversation_ids)),
        (Link, Link.conversation_id.in_(conversation_ids)),
        (Letter, Letter.conversation_id.in_(conversation_ids)),
        (Notice, Notice.conversation_id.in_(conversation_ids)),
        (Contact, Contact.conversation_id.in_(conversation_ids)),
        (Waiting, Waiting.conversation_id.in_(conversation_ids)),
        (Turn, Turn.conversation_id.in_(conversation_ids)),
        (Event, Event.conversation_id.in_(conversation_ids)),
        (Conversation, Conversation.id.in_(conversation_ids)),
    ]
