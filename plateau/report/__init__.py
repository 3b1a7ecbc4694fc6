"""A re-evaluation on paper: the patient's page, the therapist's summary, pictures, PDF, calendar entry, FHIR."""

from ._fhir import bundle, code_system, questionnaire
from ._page import Action, PlanPage, plain_text, plan_page
from ._render import STYLE, Links, calendar, gone_html, plan_html, plan_pdf, summary_html, summary_pdf
from ._script import Script
from ._summary import PRIVATE, Summary, summary, summary_text
from ._visit import Place, Visit, listed, place_of

__all__ = [
    "Action",
    "Links",
    "PRIVATE",
    "Place",
    "PlanPage",
    "STYLE",
    "Script",
    "Summary",
    "Visit",
    "bundle",
    "calendar",
    "code_system",
    "gone_html",
    "listed",
    "place_of",
    "plain_text",
    "plan_html",
    "plan_page",
    "plan_pdf",
    "questionnaire",
    "summary",
    "summary_html",
    "summary_pdf",
    "summary_text",
]
