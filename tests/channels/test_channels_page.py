"""docs/channels.md: its tables and examples are what the code makes today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from replies import NUMBERS, WEB

from plateau.content import catalog

ROOT = Path(__file__).parents[2]
# Each of these is one short answer.
MOST_PARTS = 2


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("channels_table", ROOT / "scripts" / "channels_table.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("channels_table", made)
    spec.loader.exec_module(made)
    return made


channels_table = script()


def test_the_page_is_up_to_date() -> None:
    written = channels_table.PAGE.read_text(encoding="utf-8")
    assert written == channels_table.page(written), f"run: {channels_table.COMMAND}"


def test_what_stands_around_the_generated_parts_stays() -> None:
    written = channels_table.PAGE.read_text(encoding="utf-8")
    assert channels_table.page(f"{written}\n## By hand\n").endswith("\n## By hand\n")


def test_what_is_said_to_a_carriers_words_is_short_and_complete() -> None:
    said = {name: text.format(**NUMBERS, web=WEB) for name, text in catalog().tree("channels.said").items()}
    assert all(0 < channels_table.parts(text.strip()) <= MOST_PARTS for text in said.values())
    for part in (NUMBERS["clinic"], NUMBERS["phone"], "Msg&data rates may apply", "STOP", NUMBERS["emergency"]):
        assert part in said["help"]
