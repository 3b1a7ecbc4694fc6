"""What patients sent and were told, and the proof that the database agrees with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from plateau.protocol import validate
from plateau.store import Database, Repository

# The gateway's own id of a conversation's first turn.
FIRST_ID = "·start"


@dataclass(slots=True)
class Sent:
    """One message: how often it was tried, and what came of it.

    `reply` is the acknowledged turn, `refused` the (status, code) of a refusal that is final.
    """

    id: str
    body: Mapping[str, Any]
    attempts: int = 0
    reply: Mapping[str, Any] | None = None
    refused: tuple[int, str] | None = None


@dataclass(slots=True)
class Ledger:
    """All that one conversation's client knows; the proof needs nothing else of it."""

    conversation: str
    canary: str
    sent: dict[str, Sent] = field(default_factory=dict)
    # Answers by taps that were acknowledged, the latest by question.
    answers: dict[str, Any] = field(default_factory=dict)
    finished: bool = False
    # What the client must never see: described without words of the patient.
    surprises: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Proof:
    """Counts over many conversations. All from `lost` on must be 0."""

    conversations: int = 0
    finished: int = 0
    sent: int = 0
    attempts: int = 0
    acknowledged: int = 0
    refused: int = 0
    found: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    gaps: int = 0
    wrong_answers: int = 0
    refused_but_stored: int = 0
    surprises: int = 0
    unfinished: int = 0
    details: list[str] = field(default_factory=list)

    WRONG = (
        "lost", "doubled", "changed", "gaps", "wrong_answers", "refused_but_stored", "surprises", "unfinished",
    )  # fmt: skip

    @property
    def holds(self) -> bool:
        """Nothing is lost, doubled, changed or told wrongly, and everybody came to the end."""
        return not any(getattr(self, name) for name in self.WRONG)

    def add(self, other: Proof) -> None:
        """Count the other's conversations too."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "details": self.details[:40]}


def prove(database: Database, ledgers: Iterable[Ledger], *, to_the_end: bool = True) -> Proof:
    """Compare what clients were told with what is stored; `to_the_end`: every interview must have its plan."""
    proof = Proof()
    for ledger in ledgers:
        with database.reading() as session:
            _prove_one(Repository(session), ledger, proof, to_the_end)
    return proof


def _prove_one(repository: Repository, ledger: Ledger, proof: Proof, to_the_end: bool) -> None:
    def wrong(kind: str, what: str) -> None:
        setattr(proof, kind, getattr(proof, kind) + 1)
        proof.details.append(f"{ledger.conversation[-6:]}: {kind}: {what}")

    sent = list(ledger.sent.values())
    proof.conversations += 1
    proof.finished += ledger.finished
    proof.sent += len(sent)
    proof.attempts += sum(message.attempts for message in sent)
    position = repository.position(ledger.conversation)
    events = repository.events(ledger.conversation, 0, position.version) if position else []
    taken = Counter(event.get("message_id") for event in events if event["event"] == "user")
    for message in sent:
        stored = repository.reply(ledger.conversation, message.id)
        times = taken[message.id]
        if message.reply is not None:
            proof.acknowledged += 1
            proof.found += stored is not None and times > 0
            if stored is None or times == 0:
                wrong("lost", f"{message.id}: {'no reply' if stored is None else 'no event'} is stored")
            elif stored != message.reply:
                wrong("changed", f"{message.id}: the stored reply is another than the one acknowledged")
        elif message.refused is not None:
            proof.refused += 1
            if stored is not None or times:
                wrong("refused_but_stored", f"{message.id}: refused with {message.refused}, but stored")
        if times > 1:
            wrong("doubled", f"{message.id}: taken {times} times")
    rows = repository.export(ledger.conversation)["turns"]
    numbers = sorted(row["reply"]["number"] for row in rows)
    if numbers != list(range(1, len(numbers) + 1)):
        wrong("gaps", f"turn numbers {numbers}")
    unknown = {row["client_message_id"] for row in rows} - {*ledger.sent, FIRST_ID}
    if unknown:
        wrong("doubled", f"{len(unknown)} stored turns that nobody sent")
    _check_answers(repository, ledger, wrong)
    for surprise in ledger.surprises:
        wrong("surprises", surprise)
    if to_the_end and not ledger.finished:
        wrong("unfinished", "the interview did not come to its plan")


def _check_answers(repository: Repository, ledger: Ledger, wrong: Any) -> None:
    row = repository.reevaluation(ledger.conversation)
    if row is None:
        if ledger.answers.get("consent") == "yes":
            wrong("lost", "no answers are stored")
        return
    for name, value in ledger.answers.items():
        if row.answers.get(name) != validate(name, value):
            wrong("wrong_answers", f"{name}: acknowledged {value!r}, stored {row.answers.get(name)!r}")
    if ledger.finished and row.assessment is None:
        wrong("lost", "the plan is not stored")
