"""Letters to the clinic by e-mail: one SMTP session each, encrypted, the server's certificate checked."""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from plateau.server.platforms import Refused, Unreachable

from ._sender import Letter

logger = logging.getLogger(__name__)

# Seconds for each step of the session.
SECONDS = 20.0
PORTS = {"smtp": 587, "smtps": 465}
# What never leaves this machine needs no encryption.
LOCAL = ("127.0.0.1", "localhost", "::1")


class Email:
    """A mail server, as `smtp://user:password@host:587` (STARTTLS) or `smtps://...:465`; sender and readers.

    The blocking smtplib runs in a thread: a clinic gets few letters, and the standard library is kept up.
    """

    name = "email"

    def __init__(
        self,
        url: str,
        sender: str,
        readers: Sequence[str],
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        parts = urlsplit(url)
        self._encrypted = parts.scheme == "smtps"
        self._host = str(parts.hostname)
        self._port = parts.port or PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender, self._readers = sender, tuple(readers)
        self._context = context or ssl.create_default_context()
        self._seconds = seconds

    async def send(self, key: str, letter: Letter) -> None:
        """Send `subject`, `text` and `attachments`, under the key's Message-ID; raises Unreachable or Refused.

        `to` has it go to others than the staff: a patient who is invited.
        """
        readers = tuple(letter.get("to") or self._readers)
        await asyncio.to_thread(self._deliver, self._written(key, letter, readers), readers)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _written(self, key: str, letter: Letter, readers: Sequence[str]) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["Subject"] = " ".join(letter["subject"].split())
        message["From"] = self._sender
        message["To"] = ", ".join(readers)
        message["Date"] = formatdate(localtime=False)
        # The same when it is sent again, so that a mail program shows it once.
        message["Message-ID"] = f"<{sha256(key.encode()).hexdigest()[:32]}@{self._sender.rpartition('@')[2]}>"
        # So that nobody's absence note is answered (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter["text"].encode("utf-8", "replace").decode())
        for one in letter.get("attachments") or ():
            main, _, sub = one["type"].partition("/")
            message.add_attachment(one["bytes"], maintype=main, subtype=sub, filename=one["name"])
        return message

    def _deliver(self, message: EmailMessage, readers: Sequence[str]) -> None:
        try:
            with self._session() as session:
                refused = session.send_message(message, self._sender, readers)
        except smtplib.SMTPRecipientsRefused as error:
            raise _answered("no reader is taken", min(code for code, _ in error.recipients.values())) from None
        except smtplib.SMTPDataError as error:
            raise _answered("the letter is not taken", error.smtp_code) from None
        except smtplib.SMTPResponseException as error:
            if error.smtp_code < 500:
                raise Unreachable(f"email: the mail server asks to wait ({error.smtp_code})") from None
            # Who may send, and how, is the clinic's to set right; then the letter goes out.
            logger.error("email: the mail server does not take the clinic's settings (%s)", error.smtp_code)
            raise Unreachable(f"email: the clinic's settings are not taken ({error.smtp_code})") from None
        except (smtplib.SMTPException, OSError) as error:
            # TLS that is not offered, or not the server's, included.
            logger.error("email: no session with the mail server (%s)", type(error).__name__)
            raise Unreachable(f"email: no session with the mail server ({type(error).__name__})") from None
        if refused:
            logger.error("email: %d of %d readers were not taken", len(refused), len(readers))

    def _session(self) -> smtplib.SMTP:
        if self._encrypted:
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=self._seconds, context=self._context
            )
        else:
            session = smtplib.SMTP(self._host, self._port, timeout=self._seconds)
        try:
            session.ehlo()
            if not self._encrypted and (self._host not in LOCAL or session.has_extn("starttls")):
                session.starttls(context=self._context)
                session.ehlo()
            if self._user:
                session.login(self._user, self._password)
        except BaseException:
            session.close()
            raise
        return session


def _answered(what: str, code: int) -> Unreachable | Refused:
    reason = f"email: {what} ({code})"
    # 4xx passes, 5xx does not (RFC 5321, 4.2.1).
    return Refused(reason) if code >= 500 else Unreachable(reason)
