"""The escalation ladder: from an answer record to findings, advice in order, and what waits for what.

The clinical knowledge is data (`rules.yml`, texts in `content/en/plan.yml`); this package loads, checks and applies it.
"""

from ._engine import Outcome, Verdict, evaluate
from ._plan import Assessment, Finding, HeldBack, Recommendation, assess
from ._rules import Rule, RuleError, Rules, default_rules, load_rules

__all__ = [
    "Assessment",
    "Finding",
    "HeldBack",
    "Outcome",
    "Recommendation",
    "Rule",
    "RuleError",
    "Rules",
    "Verdict",
    "assess",
    "default_rules",
    "evaluate",
    "load_rules",
]
