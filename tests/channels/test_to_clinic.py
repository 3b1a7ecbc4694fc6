"""By e-mail and to a FHIR server: what a patient sends to the clinic, and what an alert says there."""

from __future__ import annotations

from pathlib import Path

import inbound
import pytest
from phones import house
from standins import FhirServer, MailServer
from test_to_staff import finished

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "fhir-token-0123456789"
DESK = "desk@clinic.example"


async def test_a_summary_and_an_alert(tmp_path: Path) -> None:
    with MailServer(None) as mail, FhirServer(TOKEN) as fhir:
        staff = {
            "email": [DESK],
            "email_from": "bot@clinic.example",
            "email_attaches": True,
            "fhir": f"{fhir.url}/fhir",
            "alerts": ["person"],
            "summaries": ["email", "fhir"],
        }
        login = f"{MailServer.USER.replace('@', '%40')}:{MailServer.PASSWORD}"
        known = {"smtp": f"smtp://{login}@127.0.0.1:{mail.port}", "fhir_token": TOKEN}
        async with house(tmp_path, staff=staff, known=known) as home:
            me = await finished(home)
            await me.say("send")
            await me.say("i would like to talk to a person")
            await home.gateway.deliver()
            assert home.letters("waiting", "given_up") == []
            assert home.violations() == []
        summary, alert = [message for _, message in mail.taken]
        assert [readers for readers, _ in mail.taken] == [[DESK], [DESK]]
        (attached,) = summary.iter_attachments()
        assert attached.get_content_type() == "application/pdf" and attached.get_content().startswith(b"%PDF")
        body = alert.get_body()
        assert body is not None and f"{inbound.PUBLIC_URL}/staff/" in body.get_content()
        for message in (summary, alert):
            text = message.get_body()
            assert text is not None
            assert [word for word in ("knee", "runner", "pain", me.number) if word in text.get_content()] == []
        kinds = {one["resourceType"] for one in fhir.stored.values()}
        assert {"QuestionnaireResponse", "Observation"} <= kinds
        assert fhir.violations == []
