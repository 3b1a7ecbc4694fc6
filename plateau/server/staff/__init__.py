"""The ways to the clinic's staff: e-mail, a signed webhook, Slack, a FHIR server."""

from ._factory import lacking, senders
from ._sender import Letter, Sender

__all__ = ["Letter", "Sender", "lacking", "senders"]
