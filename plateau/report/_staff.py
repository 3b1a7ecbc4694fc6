"""The staff's pages: what has come in, and one of it with what was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plateau.content import Catalog

from ._render import environment


def staff_list_html(rows: Sequence[Mapping[str, Any]], clinic: str, words: Catalog, style: str) -> str:
    """Return the list; a row has href, kind, says (its urgency), urgency, when, channel, opened (None: not yet)."""
    return environment().get_template("staff.html.j2").render(**_shared(clinic, words, style), rows=rows)


def staff_notice_html(
    one: Mapping[str, Any],
    clinic: str,
    words: Catalog,
    style: str,
    *,
    back: str,
    most: int,
    sent: bool = False,
    wrong: str | None = None,
    draft: str = "",
) -> str:
    """Return the page of one: its row, reach, flags, summary (a link or None), said (what was written), reply, key."""
    page = environment().get_template("staff_one.html.j2")
    shared = _shared(clinic, words, style)
    return page.render(**shared, one=one, back=back, most=most, sent=sent, wrong=wrong, draft=draft)


def _shared(clinic: str, words: Catalog, style: str) -> dict[str, Any]:
    return {"text": words.tree("staff.page"), "clinic": clinic, "language": words.language, "style": style}
