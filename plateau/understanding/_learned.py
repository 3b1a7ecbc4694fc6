"""Learns from example phrasings: logistic regression over n-grams and named cues, which can say why it decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

BITS = 18
RECENT = 64  # messages
# A cue is a fact that a rule has found, such as "the lexicon reads too_easy here"; n-grams weigh one in all.
CUE_WEIGHT = 0.5
STRENGTH = 10.0
# What was seen once teaches little and costs most of the time.
SEEN_AT_LEAST = 2

_words = CountVectorizer(ngram_range=(1, 2), tokenizer=str.split, token_pattern=None, lowercase=False).build_analyzer()
_letters = CountVectorizer(analyzer="char_wb", ngram_range=(3, 4), lowercase=False).build_analyzer()
_hasher = FeatureHasher(2**BITS, alternate_sign=False)

Cues = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Example:
    """One message to learn from: its words, the cues found in it, the labels it has."""

    plain: str
    cues: Cues
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Features:
    """What a message is judged by: places in the hashed space, in order, and how much each counts."""

    places: NDArray[np.int32]
    amounts: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """The weights of one decision: a row for each place it knows, a column for each label, judged on its own."""

    labels: tuple[str, ...]
    places: NDArray[np.int32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(self, features: Features) -> NDArray[np.float32]:
        """Return the log odds that the features add to each label."""
        at = np.searchsorted(self.places, features.places)
        at[at == len(self.places)] = 0
        known = self.places[at] == features.places
        added: NDArray[np.float32] = features.amounts[known] @ self.weights[at[known]]
        return added


class Learned:
    """Decisions learned from the same kind of message: features weighted alike, one head for each decision."""

    def __init__(self, rarity: NDArray[np.float32], heads: Mapping[str, Head]) -> None:
        self._rarity = rarity
        self._heads = dict(heads)
        # The net and the reader weigh the same message, one right after the other.
        self._features = lru_cache(maxsize=RECENT)(self._features_of)

    @classmethod
    def fit(cls, examples: Mapping[str, Sequence[Example]]) -> Learned:
        """Learn one head for each entry of `examples`; the same examples give the same weights."""
        texts = list({example.plain: None for rows in examples.values() for example in rows})
        model = cls(_rarity(texts), {})
        for name, rows in examples.items():
            model._heads[name] = model._fit(rows)
        return model

    def knows(self, head: str) -> bool:
        """Tell whether a decision of this name was learned."""
        return head in self._heads

    def features(self, plain: str) -> Features:
        """Return the n-grams of a message, to be judged by several heads."""
        return self._features(plain)

    def _features_of(self, plain: str) -> Features:
        matrix = self._grams([plain])
        return Features(matrix.indices, matrix.data.astype(np.float32))

    def judge(self, head: str, features: Features, cues: Cues) -> dict[str, float]:
        """Return how likely each label of `head` is, 0 to 1, each on its own."""
        decision = self._heads[head]
        scores = decision.scores(features) + decision.scores(_cue_features(cues)) + decision.bias
        return dict(zip(decision.labels, (1 / (1 + np.exp(-scores))).tolist(), strict=True))

    def because(self, head: str, plain: str, cues: Cues, label: str, most: int = 6) -> list[tuple[str, float]]:
        """Return the words, word pairs and [cues] that spoke most for `label`, with what each added to its log odds."""
        decision = self._heads[head]
        column = decision.labels.index(label)
        whole = self.features(plain)
        amounts = dict(zip(whole.places.tolist(), whole.amounts.tolist(), strict=True))
        names = list(dict.fromkeys(_words(plain)))
        places = _hasher.transform([{f"w {name}": 1.0} for name in names]).indices if names else ()
        said: dict[str, float] = {}
        for name, place in zip(names, places, strict=True):
            alone = Features(np.array([place]), np.array([amounts[int(place)]], np.float32))
            said[name] = float(decision.scores(alone)[column])
        for cue, value in cues.items():
            said[f"[{cue}]"] = float(decision.scores(_cue_features({cue: value}))[column])
        ranked = sorted(said.items(), key=lambda item: -item[1])
        return [(name, round(value, 2)) for name, value in ranked[:most] if value > 0.01]

    def save(self, folder: Path) -> None:
        """Write the weights as plain arrays, which hold no code."""
        np.savez_compressed(folder / "rarity.npz", rarity=self._rarity)
        for name, head in self._heads.items():
            labels = np.array(head.labels)
            np.savez(
                folder / f"{name}.head.npz", labels=labels, places=head.places, weights=head.weights, bias=head.bias
            )

    @classmethod
    def load(cls, folder: Path) -> Learned:
        """Read what `save` wrote; raises OSError, KeyError or ValueError where files are missing or broken."""
        heads = {}
        for path in sorted(folder.glob("*.head.npz")):
            with np.load(path, allow_pickle=False) as data:
                labels = tuple(str(label) for label in data["labels"])
                heads[path.name.removesuffix(".head.npz")] = Head(labels, data["places"], data["weights"], data["bias"])
        with np.load(folder / "rarity.npz", allow_pickle=False) as data:
            return cls(data["rarity"], heads)

    def _fit(self, rows: Sequence[Example]) -> Head:
        matrix = self._grams([row.plain for row in rows]) + _cue_matrix([row.cues for row in rows])
        places = np.flatnonzero(np.asarray((matrix != 0).sum(axis=0)).ravel() >= SEEN_AT_LEAST).astype(np.int32)
        matrix = matrix[:, places]
        labels = tuple(sorted({label for row in rows for label in row.labels}))
        fits = [_regression().fit(matrix, [label in row.labels for row in rows]) for label in labels]
        weights = np.stack([fit.coef_[0] for fit in fits], axis=1).astype(np.float32)
        return Head(labels, places, weights, np.array([fit.intercept_[0] for fit in fits], np.float32))

    def _grams(self, texts: Sequence[str]) -> sparse.csr_matrix:
        # Words and letters count alike, however long the message is.
        counts = _counts(texts)
        counts.data *= self._rarity[counts.indices]
        length = np.sqrt(np.add.reduceat(np.append(counts.data**2, 0), counts.indptr[:-1]))
        length[(np.diff(counts.indptr) == 0) | (length == 0)] = 1
        counts.data /= np.repeat(length, np.diff(counts.indptr))
        both: sparse.csr_matrix = counts[: len(texts)] + counts[len(texts) :]
        both.sort_indices()
        return both


def no_words(beside: int, cues: Cues, *labels: str) -> list[Example]:
    """Return examples that teach what a message means of which no word is known, as many as weigh beside the others."""
    return [Example("", cues, frozenset(labels))] * max(5, beside // 20)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=STRENGTH, tol=0.01, solver="liblinear", class_weight="balanced", random_state=42)


def _counts(texts: Sequence[str]) -> sparse.csr_matrix:
    """Return a row of word n-grams for each text, then a row of letter n-grams for each."""
    words = [dict.fromkeys((f"w {gram}" for gram in _words(text)), 1.0) for text in texts]
    return _hasher.transform(
        [*words, *(dict.fromkeys((f"c {gram}" for gram in _letters(text)), 1.0) for text in texts)]
    )


def _cue_matrix(cues: Sequence[Cues]) -> sparse.csr_matrix:
    return CUE_WEIGHT * _hasher.transform([{f"cue {cue}": value for cue, value in each.items()} for each in cues])


def _cue_features(cues: Cues) -> Features:
    matrix = _cue_matrix([cues])
    return Features(matrix.indices, matrix.data.astype(np.float32))


def _rarity(texts: Sequence[str]) -> NDArray[np.float32]:
    seen = np.bincount(_counts(texts).indices, minlength=2**BITS)
    rarity: NDArray[np.float32] = (np.log((1 + len(texts)) / (1 + seen)) + 1).astype(np.float32)
    return rarity
