"""The one sentence on top: is all well, and if not, how much of it needs a person."""

from collections.abc import Collection
from dataclasses import dataclass

from integrations.models import Connection
from integrations.overview.needs import Need
from integrations.overview.standings import Standing, late
from integrations.overview.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Say how it is in a sentence, with its colour."""

    tone: str
    words: str


def verdict(
    needs: Collection[Need], rows: Collection[Standing], steps: Collection[Step], *, sees_all: bool
) -> Verdict:
    """Return the verdict; who sees a part of it is told that it is about this part."""
    if needs:
        tone = "danger" if any(need.tone == "danger" for need in needs) else "warning"
        words = "1 thing needs you." if len(needs) == 1 else f"{len(needs)} things need you."
        return Verdict(tone=tone, words=words)
    if slow := late(rows):
        first = slow[0]
        words = f"Nothing needs you, but {first.connection} is {first.freshness}."
        return Verdict(tone="warning", words=words)
    failing = [row for row in rows if row.connection.state == Connection.State.DEGRADED]
    if failing:
        words = (
            f"Nothing needs you yet: {failing[0].connection} does not answer and is tried again."
        )
        return Verdict(tone="warning", words=words)
    undone = sum(not step.is_done for step in steps)
    if undone:
        return Verdict(tone="info", words=f"Not set up yet: {len(steps) - undone} of {len(steps)} steps are done.")  # fmt: skip
    return Verdict(
        tone="success", words="All well." if sees_all else "All well in what you may see."
    )
