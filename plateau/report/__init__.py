"""A re-evaluation on paper: the patient's page, the therapist's summary, pictures, PDF, calendar entry, FHIR."""

from ._drawn import Picture
from ._fhir import bundle, code_system, questionnaire
from ._page import Action, PlanPage, plain_text, plan_page
from ._pictures import figure
from ._render import STYLE, Links, calendar, notice_html, plan_html, plan_pdf, summary_html, summary_pdf
from ._script import Script
from ._staff import staff_list_html, staff_notice_html
from ._summary import PRIVATE, Summary, summary, summary_text
from ._visit import DAYS_A_WEEK, STOPPING, Place, Visit, listed, place_of

__all__ = [
    "Action",
    "DAYS_A_WEEK",
    "Links",
    "PRIVATE",
    "Picture",
    "Place",
    "PlanPage",
    "STOPPING",
    "STYLE",
    "Script",
    "Summary",
    "Visit",
    "bundle",
    "calendar",
    "code_system",
    "figure",
    "notice_html",
    "listed",
    "place_of",
    "plain_text",
    "plan_html",
    "plan_page",
    "plan_pdf",
    "questionnaire",
    "staff_list_html",
    "staff_notice_html",
    "summary",
    "summary_html",
    "summary_pdf",
    "summary_text",
]
