"""One look at everything, for a person who may see some of it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Model

from integrations.models import Connection, Delivery
from integrations.overview.failures import Failures, failures
from integrations.overview.machine import Machine, machine
from integrations.overview.needs import FINDERS, Facts, Need, needs
from integrations.overview.standings import Standing, standings
from integrations.overview.steps import Step, steps
from integrations.overview.verdict import Verdict, verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Hold what the first page tells; what this person may not see is empty."""

    verdict: Verdict | None
    needs: tuple[Need, ...]
    standings: tuple[Standing, ...]
    failures: Failures
    machine: Machine | None
    steps: tuple[Step, ...]

    @property
    def is_set_up(self) -> bool:
        """Tell whether there is nothing left to do first."""
        return all(step.is_done for step in self.steps)

    @property
    def oldest_unsent(self) -> datetime | None:
        """Return since when the oldest delivery that is not settled is due."""
        return min((row.unsent_since for row in self.standings if row.unsent_since), default=None)


def look(*, now: datetime, seen: Collection[type[Model]]) -> Overview:
    """Return how all is, of the models in `seen`; the machine belongs to whoever sees the connections."""
    models = [model for model, _ in FINDERS]
    if not any(model in seen for model in models):
        return Overview(
            verdict=None, needs=(), standings=(), failures=Failures(), machine=None, steps=()
        )
    rows = standings(now=now)
    shown = rows if Connection in seen else []
    facts = Facts(now=now, standings=rows, failures=failures() if Delivery in seen else Failures())
    how = machine(now=now) if Connection in seen else None
    found = needs(facts, machine=how, seen=seen)
    todo = steps(shown) if Connection in seen else ()
    told = verdict(found, shown, todo, sees_all=all(model in seen for model in models))
    return Overview(
        verdict=told, needs=tuple(found), standings=tuple(shown), failures=facts.failures, machine=how, steps=todo
    )  # fmt: skip
