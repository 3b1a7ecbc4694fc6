"""What of a turn goes to others: the reply to its messenger, to the staff what they should see; saved with the turn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from plateau.channels import CHANNELS
from plateau.content import Catalog, Clinic
from plateau.protocol import red_flags
from plateau.store import Notices, Outbox

# How soon somebody should look: 0 now, 1 today, 2 within days, 3 when there is time.
PERSON_URGENCY, UNREAD_URGENCY, MESSAGE_URGENCY = 1, 2, 1
TIER_URGENCY = {"emergency": 0, "same_day": 1, "within_days": 2, "routine": 3, "none": 3}
# Safety texts that tell of danger, and how urgent it is; abuse is told to nobody: who reads the mail is unknown.
DANGER = {"safety.emergency": 0, "safety.mental_health": 0, "safety.same_day": 1, "safety.within_days": 2}
UNTOLD = "abuse"
PERSON_TEXT = "utter_human"
UNREAD_TEXT = "utter_explain"
REPLY, ALERT, SUMMARY, NOTE = "reply", "alert", "summary", "note"
# By which an alert can reach the staff.
ALERT_WAYS = ("email", "webhook", "slack")


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something of a turn that the staff should see."""

    kind: str
    urgency: int
    content: Mapping[str, Any] = field(default_factory=dict)


def channel_of(conversation: str) -> str | None:
    """Return the messenger that a conversation runs on; None: on the web."""
    name = conversation.partition("-")[0]
    return name if name in CHANNELS else None


def letter_key(*parts: str | int) -> str:
    """Return the key of a letter or notice: the same for the same parts, of a length that no client chooses."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


class News:
    """Knows whom the clinic wants told of what."""

    def __init__(self, clinic: Clinic, words: Catalog) -> None:
        self._words = words
        self._ways = tuple(way for way in ALERT_WAYS if clinic.staff.get(way))
        # Nobody is said to have been told whom nothing reaches.
        reached = bool(self._ways and clinic.public_url)
        self._told = tuple(clinic.staff.get("alerts", ())) if reached else ()
        self._within = clinic.staff.get("answers_within") or words.get("staff.within")
        self.summaries = tuple(clinic.staff.get("summaries", ()))

    def noticed(self, messages: Iterable[Mapping[str, Any]], slots: Mapping[str, Any]) -> list[Noticed]:
        """Return what the staff should see of a reply: nothing before consent, nothing the clinic does not want."""
        if slots.get("consent") != "yes":
            return []
        said = [str(message.get("id")) for message in messages]
        found = []
        if PERSON_TEXT in said:
            found.append(Noticed("person", PERSON_URGENCY))
        if danger := [DANGER[name] for name in said if name in DANGER]:
            reported = [flag for flag in red_flags(slots) if flag["state"] == "reported" and flag["id"] != UNTOLD]
            told = [{"id": flag["id"], "because": flag.get("because", "")} for flag in reported]
            found.append(Noticed("red_flag", min(danger), {"flags": told}))
        if UNREAD_TEXT in said:
            found.append(Noticed("unread", UNREAD_URGENCY, {"question": slots.get("requested_slot")}))
        return [one for one in found if one.kind in self._told]

    def told(
        self, messages: Sequence[Mapping[str, Any]], noticed: Iterable[Noticed], numbers: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Return a reply's messages with what is honest to say of the staff: whom was told, and when they answer."""
        made = [dict(message) for message in messages]
        urgent = any(str(message["id"]).startswith("safety.") for message in messages)
        for one in noticed:
            if one.kind not in self._told:
                continue
            # Who has to call now is not told that they can wait.
            name = "staff.told.red_flag" if urgent else f"staff.told.{one.kind}"
            said = {"id": name, "kind": "say", "text": self._words.get(name, **{**numbers, "within": self._within})}
            if one.kind == "person":
                # It says that nobody reads along, which is no longer so.
                made = [said if message["id"] == PERSON_TEXT else message for message in made]
            else:
                made.append(said)
        return made

    def write(self, session: Session, conversation: str, reply: Mapping[str, Any], noticed: Iterable[Noticed]) -> None:
        """Put into the outbox what follows from a saved reply, in the transaction that saves it."""
        outbox, notices = Outbox(session), Notices(session)
        if (channel := channel_of(conversation)) is not None:
            # The number to call waits for nothing before it.
            urgent = any(message["kind"] == "emergency" for message in reply["messages"])
            key = letter_key(REPLY, conversation, reply["id"])
            outbox.put(key, conversation, REPLY, channel, {"message": reply["id"]}, ordered=not urgent)
        for one in noticed:
            # Who has not looked yet is not told again, unless it is worse now.
            heard_of = one.urgency > 0 and notices.unopened(conversation, one.kind, one.urgency)
            key = letter_key(one.kind, conversation, reply["id"])
            notices.add(key, conversation, one.kind, one.urgency, {**one.content, "turn": reply["number"]})
            if one.kind == SUMMARY:
                for way in self.summaries:
                    letter = letter_key(SUMMARY, way, key)
                    content = {"notice": key, "urgency": one.urgency}
                    outbox.put(letter, conversation, SUMMARY, f"staff_{way}", content, ordered=False)
                ways = tuple(way for way in self._ways if way not in self.summaries)
            else:
                ways = () if heard_of else self._ways
            for way in ways:
                content = {"kind": one.kind, "urgency": one.urgency}
                outbox.put(letter_key(ALERT, way, key), conversation, ALERT, f"staff_{way}", content, ordered=False)
