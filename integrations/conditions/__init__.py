"""What a rule asks beside the kind of event: a small language in JSON, without code and without regular expressions.

`{}` holds always. `{"and": [...]}`, `{"or": [...]}` and `{"not": {...}}` combine; a comparison is
`{"fact": "invitee.email_domain", "op": "is", "value": "example.com"}`, with an `"argument"` for facts that need one
(`{"fact": "answer", "argument": "Company size", ...}`). Pure: no database, no clock, no network.

What is not known is neither true nor false, and a condition holds only where it is true. So a question that nobody
answered lets no comparison hold, and no denial of one either; `is empty` alone is true of it. `and` is false as soon as
one part is, `or` is true as soon as one part is; otherwise what is not known stays so.
"""

from integrations.conditions.catalogue import FACTS, Fact
from integrations.conditions.explaining import Part, explain
from integrations.conditions.judging import Facts, Verdict, evaluate, judge
from integrations.conditions.language import Parsed, Problem, check, parse
from integrations.conditions.operators import OPERATORS, Operator, Takes, Type, Value
from integrations.conditions.words import in_words

__all__ = [
    "FACTS",
    "OPERATORS",
    "Fact",
    "Facts",
    "Operator",
    "Parsed",
    "Part",
    "Problem",
    "Takes",
    "Type",
    "Value",
    "Verdict",
    "check",
    "evaluate",
    "explain",
    "in_words",
    "judge",
    "parse",
]
