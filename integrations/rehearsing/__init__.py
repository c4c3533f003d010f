"""Before a rule goes live: try it out on past bookings, without writing or sending anything.

`occasions` says what there is to decide about, `trying` decides and asks the providers what sending would do (by the code
that sends, told to hold back what writes), `simulating` does so for the last bookings, `results` keeps what was found.
"""

from integrations.rehearsing.occasions import Occasion, find, newest
from integrations.rehearsing.results import keep, verdict_of
from integrations.rehearsing.simulating import (
    MOST,
    SLICE,
    USUAL,
    ChangedRuleError,
    asked_for,
    rule_of,
    simulate,
    summary,
)
from integrations.rehearsing.trying import NOTHING, Foreseen, Rehearsal, foresee, rehearse

__all__ = [
    "MOST",
    "NOTHING",
    "SLICE",
    "USUAL",
    "ChangedRuleError",
    "Foreseen",
    "Occasion",
    "Rehearsal",
    "asked_for",
    "find",
    "foresee",
    "keep",
    "newest",
    "rehearse",
    "rule_of",
    "simulate",
    "summary",
    "verdict_of",
]
