"""`plateau read --explain`: says how a reading came about, from what the reader itself reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plateau.cli import main
from plateau.cli import read as command
from plateau.understanding.explain import readable
from plateau.understanding.reading import ModelReader

ROOT = Path(__file__).parents[2]

# message, question, what the explanation must contain, in this order
EXPLAINED: list[tuple[str, str | None, list[str]]] = [
    (
        "no injectons, my mum had an mri, i had an xray",
        "tried",
        [
            "'no injections, my mum had an mri, i had an xray'",
            "mended: injectons -> injections",
            "'injections' at 3-13: injection, does not count; context: negated by 'no'",
            "'had an mri' at 22-32: mri_ct, does not count; context: other_person by 'my mum'",
            "xray, counts; context: affirmed",
            "read {'tried': ['xray']}",
            "spoke for it: ",
            "[reads xray]",
            "value: a value of the question asked is likely enough",
            "answers {'tried': ['xray']}, intent answer",
            "intent answer",
        ],
    ),
    (
        "not too hard, its too easy tbh",
        "effort",
        ["mended: tbh -> ", "'too easy' at 18-26: too_easy, counts", "likeliest values\n  too_easy 0.", "value: "],
    ),
    (
        "stop",
        None,
        ["all of it is the digression stop", "likeliest intents\n  stop ", "[whole stop]", "whole: ", "intent stop"],
    ),
    ("correction, my pain now is 6", "effort", ["correction: ", "answers {'pain_now': 6}, intent correct_answer"]),
    (
        "to walk my dog again",
        "goal",
        ["phrases of goal\n  none", "own_words: ", "answers {'goal': 'to walk my dog again'}"],
    ),
    ("what does that have to do with my knee?", "goal", ["it asks something", "not_own_words: ", "intent ask_why"]),
    (
        "why would that matter to you",
        "effort",
        ["likeliest intents\n  ask_why", "digression: ", "ask_why is likelier than an answer by"],
    ),
    ("about 3 months", "weeks_in_pt", ["not learned for this question", "rules: ", "answers {'weeks_in_pt': 13}"]),
    ("the weather is nice", "pain_now", ["read nothing", "no_answer: ", "answers none"]),
    ("should i get an mri of my knee", "body_region", ["asks_to_know: ", "intent ask_faq"]),
    ("", "effort", ["no_words: ", "no concept said", "no rule fired"]),
    ("/stop", None, ["intent stop"]),
    ("no", "red_flags", ["decision\n  rules: ", "safety_now was read beside the decision"]),
    (
        "my saddle area is numb",
        None,
        [
            "said cauda_equina.saddle_numb in 'saddle … is numb': meant of the patient now",
            "rule cauda_equina/saddle_numbness fired, emergency, by 'saddle … is numb': ",
            "ear: danger 0.",
            "adds from 0.",
            "takes back below 0.",
            "spoke for it: ",
            "ear added: ",
            "ear took back: nothing",
        ],
    ),
    (
        "my dad had a stroke and his face drooped",
        None,
        ["said stroke.face_drop in 'face drooped': not meant: other_person", "no rule fired"],
    ),
]


@pytest.fixture(scope="module")
def model() -> ModelReader:
    """The trained model, as the command loads it."""
    return command.load(str(ROOT / command.DEFAULT_MODEL))


@pytest.fixture
def run(model: ModelReader, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `plateau read` with the model loaded once: returns the exit code, standard output and standard error."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(command, "load", lambda _: model)

    def called(*arguments: str) -> tuple[int, str, str]:
        code = main(["read", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return called


@pytest.mark.parametrize(("text", "question", "contains"), EXPLAINED)
def test_an_explanation_says(model: ModelReader, text: str, question: str | None, contains: list[str]) -> None:
    _, explanation = model.explained(text, question)
    told, at = readable(explanation), 0
    for part in contains:
        assert part in told[at:], f"{part!r} is not in the rest of\n{told}"
        at = told.index(part, at) + len(part)
    json.dumps(explanation)


@pytest.mark.parametrize(("text", "question"), [row[:2] for row in EXPLAINED])
def test_an_explanation_is_of_the_reading(model: ModelReader, text: str, question: str | None) -> None:
    reading, explanation = model.explained(text, question)
    assert reading == model.read(text, question)
    (stretch,) = explanation["red_flags"]
    fired = {rule["flag"] for rule in stretch["rules"]}
    taken_back, added = ({flag["id"] for flag in stretch["ear"][did]} for did in ("took_back", "added"))
    assert {flag["id"] for flag in reading["red_flags"]} == fired - taken_back | added


def test_the_command_prints_the_reading_and_explains_beside_it(run: Any) -> None:
    plain = run("about 3 months", "--question", "weeks_in_pt")
    code, out, err = run("about 3 months", "--question", "weeks_in_pt", "--explain")
    assert plain == (0, out, "")
    assert code == 0 and err.startswith("text as matched\n") and "rules: the rules read an answer" in err


def test_with_lines_the_explanation_is_a_key_of_each(run: Any, tmp_path: Path) -> None:
    lines = [{"id": 1, "question": "pain_now", "text": "about a seven"}, {"question": "no_such", "text": "hello"}]
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    code, out, err = run("--jsonl", str(file), "--explain")
    first, second = (json.loads(line) for line in out.splitlines())
    assert (code, err) == (0, "")
    assert (
        first["id"] == 1 and first["answers"] == {"pain_now": 7} and first["explain"]["decision"]["branch"] == "rules"
    )
    assert "no_such" in second["error"] and "explain" not in second
    assert "explain" not in run("--jsonl", str(file))[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--explain"], "give either TEXT or --jsonl FILE"),
        (["hello", "--explain", "--jsonl", "lines.jsonl"], "give either TEXT or --jsonl FILE"),
        (["hello", "--explain", "--question", "no_such"], "nothing to explain: question: 'no_such' is not one of"),
        (["hello", "--explain", "--model", "no_such.tar.gz"], "there is no trained model"),
    ],
)
def test_wrong_use_is_told(run: Any, arguments: list[str], says: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2 and says in err
