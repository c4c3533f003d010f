"""What a file says of a rule: the columns of `Rule`, with connections and other rules by their names."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from bookings.models import BookingEvent
from integrations.models import Rule
from integrations.models.rule import WAITS_AT_MOST
from integrations.options import Options

LatePolicy = Literal["send", "skip", "other"]
Name = Annotated[str, Field(min_length=1, max_length=100)]

#: Columns that a file holds as they are; `waits_for` and `late_rule` are names of other rules.
COLUMNS = (
    "enabled", "kinds", "conditions", "stops", "offset_minutes", "late_policy", "grace_minutes", "action", "options",
    "debounce_seconds", "waits_at_most", "acts_on_backfill", "backfill_max_age_days",
)  # fmt: skip
LINKS = ("waits_for", "late_rule")
#: The last place that a file may name; a database has numbers left for those behind it.
MOST_POSITION = 1_000_000


class Said(Options):
    """What is said of a rule wherever it is sent. What is left out is as in a new rule."""

    model_config = ConfigDict(strict=True)

    name: Name
    enabled: bool = True
    kinds: list[str] = []
    conditions: dict[str, Any] = {}
    stops: bool = False
    offset_minutes: int = 0
    late_policy: LatePolicy = "send"
    late_rule: str = ""
    grace_minutes: int = 60
    action: str
    options: dict[str, Any] = {}
    debounce_seconds: int = 0
    waits_for: str = ""
    waits_at_most: int = WAITS_AT_MOST
    acts_on_backfill: bool = False
    backfill_max_age_days: int | None = None

    @field_validator("kinds")
    @classmethod
    def _are_known(cls, kinds: list[str]) -> list[str]:
        unknown = [kind for kind in kinds if kind not in BookingEvent.Kind.values]
        if unknown:
            known = ", ".join(BookingEvent.Kind.values)
            raise ValueError(f"there is no kind {', '.join(unknown)}; there are {known}")
        return kinds


class Entry(Said):
    """A rule in a file. Without a position, a new rule goes last, and one that is there stays where it is."""

    connection: Name
    position: int | None = Field(default=None, ge=0, le=MOST_POSITION)


def entry_of(rule: Rule) -> Entry:
    """Return what a file says of a rule; its connection and the rules that it names are loaded."""
    links: dict[str, Any] = {name: _name_of(getattr(rule, name)) for name in LINKS}
    said = {name: getattr(rule, name) for name in COLUMNS}
    # As it is stored, right or wrong: what is wrong is told when the file is read.
    return Entry.model_construct(name=rule.name, connection=rule.connection.name, position=rule.position, **said, **links)  # fmt: skip


def as_data(entry: Entry) -> dict[str, Any]:
    """Return an entry as a file shows it: names first, and nothing that is as in a new rule."""
    usual = {name: info.default for name, info in Entry.model_fields.items()}
    first = ("name", "connection", "position", "enabled", "kinds")
    ordered = sorted(Entry.model_fields, key=lambda name: first.index(name) if name in first else 9)
    always = {"name", "connection", "enabled", "kinds", "action"}
    values = {name: getattr(entry, name) for name in ordered}
    return {name: value for name, value in values.items() if name in always or value != usual[name]}


def _name_of(rule: Rule | None) -> str:
    return rule.name if rule else ""


def links_of(entry: Said) -> Iterator[tuple[str, str]]:
    """Yield which other rules an entry names, each with the column that does."""
    return ((name, getattr(entry, name)) for name in LINKS if getattr(entry, name))
