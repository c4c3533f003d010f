"""Judge every part of a condition, not only up to the first that decides: to show a person who tries a rule out."""

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.conditions import words
from integrations.conditions.judging import Facts, judge_part
from integrations.conditions.language import Denial, Group, Node, Parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Say what a part of a condition asks, whether that is so (None: not known), and why not; `depth` is how far in it stands."""

    asks: str
    holds: bool | None
    why: str = ""
    depth: int = 0


def explain(parsed: Parsed, facts: Facts) -> list[Part]:
    """Return the parts of a condition in their order, a group before what it holds; none where it cannot be read."""
    return list(_parts(parsed.node, facts, denied=False, depth=0)) if parsed.node else []


def _parts(node: Node, facts: Facts, *, denied: bool, depth: int) -> Iterator[Part]:
    match node:
        case Denial(part=part):
            yield from _parts(part, facts, denied=not denied, depth=depth)
        case Group(every=every, parts=parts):
            if len(parts) > 1:
                asks = "all of these" if every is not denied else "one of these"
                yield Part(asks=asks, holds=_truth(node, facts, denied=denied), depth=depth)
            for part in parts:
                yield from _parts(part, facts, denied=denied, depth=depth + (len(parts) > 1))
        case _:
            truth, reason = judge_part(node, facts, denied=denied)
            asks = words.claim(node, denied=denied)
            yield Part(asks=asks, holds=truth, why="" if truth else reason, depth=depth)


def _truth(node: Node, facts: Facts, *, denied: bool) -> bool | None:
    return judge_part(node, facts, denied=denied)[0]
