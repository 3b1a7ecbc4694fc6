"""The ways to the clinic's staff: e-mail, a signed webhook, Slack, a FHIR server."""

from ._factory import WAYS, lacking, senders
from ._sender import Letter, Sender

__all__ = ["WAYS", "Letter", "Sender", "lacking", "senders"]
