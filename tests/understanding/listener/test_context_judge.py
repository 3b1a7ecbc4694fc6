"""The context judge: how one stretch of a message is meant."""

import pytest

from plateau.understanding._context import judge
from plateau.understanding._pipeline import nlp


@pytest.mark.parametrize(
    ("text", "stretch", "meant"),
    [
        ("my leg is numb", "numb", set()),
        ("no numbness in my leg", "numbness", {"negated"}),
        ("I don't have chest pain", "chest pain", {"negated"}),
        ("i dont have any chest pain", "chest pain", {"negated"}),
        ("havent noticed any weakness", "weakness", {"negated"}),
        ("it isnt swollen", "swollen", {"negated"}),
        ("no fever, chills or weight loss", "weight loss", {"negated"}),
        ("no numbness, my mum had a stroke", "stroke", {"other_person"}),
        ("no numbness but my foot is weak", "weak", set()),
        ("no numbness my leg is swollen", "swollen", set()),
        ("no, my bladder is weird", "bladder", set()),
        ("not just numb, dead", "numb", set()),
        ("dont know why my calf is swollen", "swollen", set()),
        ("if this doesnt help i will collapse", "collapse", set()),
        ("used to get chest pain", "chest pain", {"past"}),
        ("had foot drop in 2018", "foot drop", {"past"}),
        ("had a clot years ago", "clot", {"past"}),
        ("broke it as a kid", "broke", {"past"}),
        ("had foot drop after my op, fully recovered", "foot drop", {"past"}),
        ("its gone a funny colour", "its", set()),
        ("my cousin had cauda equina", "cauda equina", {"other_person"}),
        ("my therapist has a bad knee", "bad knee", {"other_person"}),
        ("gran fell, im typing for her", "fell", set()),
        ("my wife noticed my face drooping", "drooping", set()),
        ("i could not answer my wife and my words slurred", "slurred", set()),
        ("what if it gets swollen", "swollen", {"hypothetical"}),
        ("scared of having a stroke", "stroke", {"hypothetical"}),
        ("worried about the numbness in my leg", "numbness", set()),
    ],
)
def test_judge(text: str, stretch: str, meant: set[str]) -> None:
    start = text.index(stretch)
    assert judge(nlp()(text), start, start + len(stretch)).kinds == meant


def test_cues_of_the_same_statement_do_not_count() -> None:
    text = "i dont feel it when i wipe"
    start, also = text.index("wipe"), (text.index("dont"), text.index("dont") + len("dont feel"))
    assert judge(nlp()(text), start, start + 4, [also]).affirmed


def test_a_stretch_outside_the_text_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no words at 90\.\.95 of a text of 4 characters"):
        judge(nlp()("numb"), 90, 95)
