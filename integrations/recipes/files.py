"""Rules as a file, and a file as rules: all of it, or nothing.

A rule is known by its name. What the file does not name stays as it is; nothing is deleted. Secrets are the connections',
and stand in no file.
"""

import difflib
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from pydantic import ValidationError as OptionsError

from integrations import rules, tasks
from integrations.models import Connection, Rule
from integrations.options import told
from integrations.recipes import checking
from integrations.recipes.entry import COLUMNS, LINKS, Entry, as_data, entry_of, links_of
from integrations.recipes.reading import Document, Path, Problem, UnusableFileError, read, write

#: The most rules that a file may hold.
MOST_RULES = 500


class What(enum.StrEnum):
    """What a file does to a rule."""

    NEW = "new"
    CHANGED = "changed"
    EQUAL = "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Say what becomes of one rule; `diff` are lines that begin with a blank, + or -, as in a file."""

    rule: Rule
    what: What
    diff: Sequence[str] = field(default_factory=tuple)


def export(names: Sequence[str] = ()) -> str:
    """Write rules, or all of them, as a file that can be read again, in their order.

    Raises:
        UnusableFileError: there is no rule of such a name.
    """
    rows = Rule.objects.select_related("connection", *LINKS)
    found = list(rows.filter(name__in=names) if names else rows)
    if missing := sorted(set(names) - {rule.name for rule in found}):
        raise UnusableFileError([Problem(line=0, message=f"There is no rule “{name}”.") for name in missing])  # fmt: skip
    return write({"rules": [as_data(entry_of(rule)) for rule in found]})


def load(text: str, *, now: datetime, dry_run: bool = False) -> list[Change]:
    """Check a file, and make its rules so; with `dry_run`, only say what would become of them.

    Raises:
        UnusableFileError: something in it is wrong, each with its line; nothing was changed.
    """
    document = read(text)
    entries = _entries(document)
    with transaction.atomic():
        changes = make(entries, document=document, now=now)
        if dry_run:
            transaction.set_rollback(True)
    return changes


def make(
    entries: Sequence[tuple[Path, Entry]], *, document: Document, now: datetime
) -> list[Change]:
    """Make rules as the entries say, each with its place in the document.

    Raises:
        UnusableFileError: some cannot be so; nothing was changed.
    """
    try:
        with transaction.atomic():
            return _make(entries, document=document, now=now)
    except IntegrityError as error:
        told = "Somebody made a rule of the same name just now: look at the rules, and try again."
        raise UnusableFileError([Problem(line=0, message=told)]) from error


def _make(
    entries: Sequence[tuple[Path, Entry]], *, document: Document, now: datetime
) -> list[Change]:
    work = _Work(document=document)
    made = [(path, entry, *work.rule(path, entry)) for path, entry in entries]
    work.stop_at_problems()
    before = {rule.name: old for _, _, rule, old in made}
    for _, entry, rule, old in made:
        if old is None or as_data(old) != as_data(_kept(entry, rule)):
            rule.save() if old is None else rule.save(update_fields=[*COLUMNS, "connection", "position", "updated_at"])  # fmt: skip
    _let_go((entry, rule) for _, entry, rule, _ in made)
    for path, entry, rule, _ in made:
        work.link(path, entry, rule)
    work.stop_at_problems()
    return [_settled(rule, before[rule.name], now=now) for _, _, rule, _ in made]


def _let_go(made: Iterable[tuple[Entry, Rule]]) -> None:
    """Untie the rules that are to wait for another one, so that those of before close no circle with those to come."""
    moved = [
        rule.pk for entry, rule in made if rule.waits_for and rule.waits_for.name != entry.waits_for
    ]
    Rule.objects.filter(pk__in=moved).update(waits_for=None)


@dataclass(slots=True)
class _Work:
    """Collect what is wrong while rules are made."""

    document: Document
    problems: list[Problem] = field(default_factory=list)
    connections: dict[str, Connection] = field(default_factory=dict)
    last: int = 0

    def __post_init__(self) -> None:
        self.connections = {
            row.name: row for row in Connection.objects.defer("sealed_secrets").order_by("name")
        }
        highest = Rule.objects.aggregate(last=Max("position"))["last"]
        self.last = highest or 0

    def say(self, path: Sequence[int | str], name: str, message: str) -> None:
        self.problems.append(Problem(line=self.document.line(path), message=f"“{name}”: {message}"))

    def stop_at_problems(self) -> None:
        if self.problems:
            raise UnusableFileError(sorted(self.problems, key=lambda problem: problem.line))

    def rule(self, path: Path, entry: Entry) -> tuple[Rule, Entry | None]:
        """Return the rule as it is to be, not saved yet and without links, and what it was."""
        connection = self.connections.get(entry.connection)
        if connection is None:
            known = ", ".join(self.connections) or "none"
            self.say((*path, "connection"), entry.name, f"There is no connection “{entry.connection}”. There are {known}.")  # fmt: skip
        rows = Rule.objects.select_for_update(of=("self",)).select_related("connection", *LINKS)
        found = rows.filter(name=entry.name).first()
        old = entry_of(found) if found else None
        rule = found or Rule(name=entry.name)
        for name in COLUMNS:
            setattr(rule, name, getattr(entry, name))
        rule.position = self._position(entry, found)
        if connection:
            rule.connection = connection
            for place, message in checking.problems(rule, entry):
                self.say((*path, *place), entry.name, message)
        return rule, old

    def link(self, path: Path, entry: Entry, rule: Rule) -> None:
        """Give a saved rule the other rules that it names."""
        wanted: dict[str, Rule | None] = dict.fromkeys(LINKS)
        for column, name in links_of(entry):
            wanted[column] = Rule.objects.filter(name=name).exclude(pk=rule.pk).first()
            if wanted[column] is None:
                self.say((*path, column), entry.name, f"There is no other rule “{name}”.")
        if all(getattr(rule, column) == other for column, other in wanted.items()):
            return
        for column, other in wanted.items():
            setattr(rule, column, other)
        try:
            rule.save(update_fields=[*LINKS, "updated_at"])
        except ValidationError as error:
            self.say((*path, "waits_for"), entry.name, " ".join(error.messages))

    def _position(self, entry: Entry, found: Rule | None) -> int:
        if entry.position is not None:
            return entry.position
        if found:
            return found.position
        self.last += 1
        return self.last


def _kept(entry: Entry, rule: Rule) -> Entry:
    return entry.model_copy(update={"position": rule.position})


def _settled(rule: Rule, old: Entry | None, *, now: datetime) -> Change:
    """Say what became of a rule; one that was paused and is changed is taken for mended, as in the form."""
    new = entry_of(rule)
    if old is None:
        return Change(rule=rule, what=What.NEW, diff=tuple(_diff("", _shown(new))))
    if old == new:
        return Change(rule=rule, what=What.EQUAL)
    if rules.resume(rule, now=now):
        transaction.on_commit(partial(tasks.nudge_connection, rule.connection_id))
    return Change(rule=rule, what=What.CHANGED, diff=tuple(_diff(_shown(old), _shown(new))))


def _shown(entry: Entry) -> str:
    return write(as_data(entry))


def _diff(old: str, new: str) -> list[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=2, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _entries(document: Document) -> list[tuple[Path, Entry]]:
    """Read the rules of a file. Raises UnusableFileError."""
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
        raise UnusableFileError([Problem(line=document.line(()), message="A file of rules begins with “rules:” and a list of them.")])  # fmt: skip
    found = [
        Problem(line=document.line((name,)), message=f"{name}: there is no such name.")
        for name in data
        if name != "rules"
    ]
    if len(data["rules"]) > MOST_RULES:
        found.append(Problem(line=0, message=f"{MOST_RULES} rules at most."))
    entries: list[tuple[Path, Entry]] = []
    for number, said in enumerate(data["rules"][:MOST_RULES]):
        path: Path = ("rules", number)
        try:
            entries.append((path, Entry.model_validate(said)))
        except OptionsError as error:
            found += shape_problems(error, path, document=document, whose=said)
    found += _twice(entries, document)
    if found:
        raise UnusableFileError(sorted(found, key=lambda problem: problem.line))
    return entries


def shape_problems(error: OptionsError, path: Path, *, document: Document, whose: Any) -> Iterator[Problem]:  # fmt: skip
    """Yield what does not have the form of a file, with its line."""
    name = whose.get("name", "") if isinstance(whose, Mapping) else ""
    for problem in error.errors():
        place = ".".join(map(str, problem["loc"]))
        words = f"{place}: {told(problem)}" if place else told(problem)
        yield Problem(line=document.line((*path, *problem["loc"])), message=f"“{name}”: {words}" if name else words)  # fmt: skip


def _twice(entries: Iterable[tuple[Path, Entry]], document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for path, entry in entries:
        if entry.name in seen:
            yield Problem(line=document.line((*path, "name")), message=f"“{entry.name}”: this name stands in the file twice.")  # fmt: skip
        seen.add(entry.name)
