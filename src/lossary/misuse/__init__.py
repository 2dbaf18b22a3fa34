"""The misuse finder: what is wrong with a call of a loss, why it hurts, and the fix.

Rules look at arguments by the word of their contract (logits, log-probabilities, class indices, ...), so a new loss
gets its rules with its signature. Each has a code that stays.
"""

from lossary.misuse.checking import check as check
from lossary.misuse.finding import Finding as Finding
from lossary.misuse.finding import Findings as Findings
from lossary.misuse.rule import Rule as Rule
from lossary.misuse.rules import RULES as RULES
