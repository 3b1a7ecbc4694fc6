"""The escalation ladder: from an answer record to findings, advice in order, and what waits for what.

The clinical knowledge is data (`rules.yml`, texts in `content/en/plan.yml`); this package loads, checks and applies it.
"""

from ._engine import Outcome, Verdict, evaluate
from ._facts import Since, psfs_changes, since
from ._plan import Assessment, Finding, HeldBack, Recommendation, assess
from ._rules import RECOMMENDATIONS, Rule, RuleError, Rules, clinic_rules, default_rules, load_rules
from ._sign_off import Signature, fingerprint, running, sign_off_file, signature, signed

__all__ = [
    "Assessment",
    "Finding",
    "HeldBack",
    "Outcome",
    "RECOMMENDATIONS",
    "Recommendation",
    "Rule",
    "RuleError",
    "Rules",
    "Signature",
    "Since",
    "Verdict",
    "assess",
    "clinic_rules",
    "default_rules",
    "evaluate",
    "fingerprint",
    "load_rules",
    "running",
    "psfs_changes",
    "sign_off_file",
    "signature",
    "signed",
    "since",
]
