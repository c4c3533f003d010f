"""Write one meeting: find or make its person, upsert its Event, and change the person as staff mapped it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from integrations.connectors.base import Forget, Record, Remember, Step, Task
from integrations.connectors.salesforce import events, opportunities, people
from integrations.connectors.salesforce.client import NOT_MADE, Reply, SalesforceClient
from integrations.connectors.salesforce.errors import OWNER_REFUSED, PERSON_GONE
from integrations.connectors.salesforce.events import Place
from integrations.connectors.salesforce.fields import Change
from integrations.connectors.salesforce.findings import Nobody, Use
from integrations.connectors.salesforce.guests import Guests
from integrations.connectors.salesforce.identifiers import PEOPLE
from integrations.connectors.salesforce.mapping import MeetingWrite, with_person
from integrations.connectors.salesforce.opportunities import Link
from integrations.connectors.salesforce.owners import Owners
from integrations.connectors.salesforce.people import CREATED, Invitee
from integrations.connectors.salesforce.writing import PersonGoneError, Writer
from integrations.errors import IntegrationError, PermanentError


def is_written(task: Task, write: MeetingWrite, invitee: Invitee) -> bool:
    """Tell whether Salesforce holds all of it already, as far as we know; nobody is asked.

    An Event that stands alone, for nobody was found or to be created, is not looked up again while nothing changes.
    """
    known = task.record("Event")
    if known is None:
        return False
    answer = invitee.known()
    if isinstance(answer, Use):
        person = Record(object_type=answer.object_type, remote_id=answer.id)
        person = _as_stored(task, person)
        return known.content_hash == write.event_hash(person) and write.is_settled(person)
    if isinstance(answer, Nobody) or (answer is None and known.data.get("alone")):
        return known.content_hash == write.event_hash(None, nobody=wants_nobody(task))
    return False


def is_removed(task: Task, write: MeetingWrite) -> bool:
    """Tell whether no Event is left of a meeting that shall have none, and its person is looked after."""
    is_gone = task.record("Event") is None and not task.look_first
    return is_gone and write.is_settled(_stored_person(task))


def wants_nobody(task: Task) -> bool:
    """Tell whether a person chose to write the invitee's meetings without anybody."""
    return task.choice is not None and task.choice.verdict == "nobody"


@dataclass(slots=True)
class Sync:
    """Write one meeting, remembering each thing as soon as it exists."""

    client: SalesforceClient
    writer: Writer
    task: Task
    write: MeetingWrite
    invitee: Invitee
    external_id_field: str
    remember: Remember
    forget: Forget
    owners: Owners
    guests: Guests
    _owner_refused: bool = False
    _event_came_back: bool = False

    def run(self) -> None:
        """Write it all; safe to repeat, for the Event is upserted and a person is looked for first.

        The Event goes before an existing person is changed: what the organisation refuses of a person keeps no
        meeting from the calendar.

        Raises:
            ReviewError: a person has to choose who the invitee is.
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        with self.explaining():
            person = self._remove_event() if self.write.removes else self._write_event()
            self._change_person(person)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Let an error say how far it came, and name the mapping that is to be mended.

        Raises:
            RuleError: a mapped field is gone, or can no longer be written.
        """
        try:
            with self._blaming_mapping():
                yield
        except IntegrationError as error:
            self.writer.explain(error)
            raise

    @contextmanager
    def _blaming_mapping(self) -> Iterator[None]:
        """Name the mapping that is to be mended, where Salesforce refuses a field that staff chose."""
        try:
            yield
        except PermanentError as error:
            self.writer.blame_mapping(error, (self.write.event, *self.write.people.values()))
            raise

    def _write_event(self) -> Record | None:
        """Find or make the person and write the Event for them; return whom it belongs to."""
        place: Place | None = None
        change, link = Change(), Link()

        def send(whose: Record | None) -> Reply:
            nonlocal place, change, link
            place = place or events.locate(
                self.client, self.task, external_id_field=self.external_id_field, person=whose
            )
            link = self._link(whose)
            change, reply = self._send(place, whose, link)
            if place.is_gone(self.client, reply):
                place, link = self._anew(place), self._linked_anew(whose, link)
                change, reply = self._send(place, whose, link)
            elif self._event_came_back and not reply.problem:
                change, link, reply = self._completed(place, whose, (change, link, reply))
            if reply.code == "INVALID_CROSS_REFERENCE_KEY" and link.fields.get("WhatId"):
                link = Link()  # either may be gone; without it, it shows whether the person is
                reply = self._upsert(place, change.fields, whose)
            return reply

        person, reply = self.for_person(send)
        event_id = self._event_id(place, reply)
        if self._owner_refused:
            change = _without_owner(change)
        data: dict[str, Any] = {
            "kept": with_person(change.kept, person),
            "field": self.external_id_field,
            **link.data,
        }
        data |= self.owners.data(refused=self._owner_refused)
        if person is None:
            data["alone"] = True
        record = Record(
            object_type="Event",
            remote_id=event_id,
            url=self.client.link("Event", event_id),
            content_hash=self.write.event_hash(person, nobody=wants_nobody(self.task)),
            data=data,
        )
        fields = {**change.fields, **link.fields}
        written = with_person(fields, person, nobody=wants_nobody(self.task))
        self.writer.note(f"Event {event_id}", written, change.before)
        self.writer.steps.append(Step(name="event", detail=f"Event {event_id} written."))
        self._remember_event(record, person)
        return person

    def _remember_event(self, event: Record, person: Record | None) -> None:
        """Remember the Event, as not settled until its guests are."""
        known = self.guests.remembered(event)
        if self.guests.are_pending(event):
            self.remember(replace(event, content_hash="", data={**event.data, **known}))
            known = self.guests.follow(event, person)
        self.remember(replace(event, data={**event.data, **known}))

    def _remove_event(self) -> Record | None:
        """Delete the Event, if there is one; return the person whom it belonged to. Nobody is looked for or created."""
        person, known = _stored_person(self.task), self.task.record("Event")
        place = events.locate(
            self.client, self.task, external_id_field=self.external_id_field, person=person
        )
        path = f"{place.collection}/{known.remote_id}" if known else place.path
        reply = self.client.send("DELETE", path) if path else None
        is_gone = reply is None or reply.code in events.GONE
        if reply and not is_gone:
            reply.require()
        self.forget("Event", "")
        detail = (
            "No Event was left to delete." if is_gone else "Event deleted: the meeting is canceled."
        )
        self.writer.steps.append(Step(name="event", detail=detail))
        return person

    def _link(self, person: Record | None, *, is_new: bool = False) -> Link:
        """Return what the Event is related to; of one that `is_new` nothing is linked yet, whatever we remember."""
        found = opportunities.link(
            self.client,
            self.write.link_opportunity,
            event=self.write.event,
            known=None if is_new else self.task.record("Event"),
            person=person,
            is_nobody=wants_nobody(self.task),
        )
        if found.told:
            self.writer.steps.append(Step(name="opportunity", detail=found.told))
        return found

    def _linked_anew(self, person: Record | None, link: Link) -> Link:
        """Return the link of another Event, which does not have what was linked before."""
        return self._link(person, is_new=True) if link.data and not link.fields else link

    def for_person(
        self, send: Callable[[Record | None], Reply], *, gone: Collection[str] = PERSON_GONE
    ) -> tuple[Record | None, Reply]:
        """Send something for the invitee, who is found or made first; return whom it was for, and the answer.

        Where the answer's code says that they are `gone`, they are looked for once more.

        Raises:
            ReviewError: a person has to choose who the invitee is.
            IntegrationError: a look-up failed, or a new record is refused.
        """
        person = self._find_person(self.invitee)
        reply = send(person)
        if person and reply.code in gone:
            self.forget(person.object_type, person.key)
            self.writer.steps.append(_gone(person))
            person = self._find_person(self.invitee.without(person))
            reply = send(person)
        return person, reply

    def _find_person(self, invitee: Invitee) -> Record | None:
        bodies: dict[str, dict[str, Any]] = {}

        def refused(code: str) -> None:
            self._tell_of_owner(code, "the new person goes to whom Salesforce gives it")
            for body in bodies.values():
                body.pop("OwnerId", None)

        def new_record(kind: str) -> Mapping[str, Any]:
            body, notes = self.writer.new_record(
                self.write.people[kind], self.write.last_resort[kind]
            )
            self.writer.tell(notes)
            bodies[kind] = body = {**self.owners.of_person(), **body}
            return body

        invitee = people.looked_up(self.client, self.owners.ask(invitee))
        self.owners.hear(invitee)
        person, steps = people.find_or_create(
            self.client, invitee, new_record=new_record, owner_refused=refused
        )
        self.writer.steps += steps
        if (
            person and person.data.get("by") == CREATED
        ):  # just made from the mapping: nothing is left to change
            self.writer.note(
                f"{person.object_type} {person.remote_id}", bodies[person.object_type], {}
            )
            wanted = self.write.people[person.object_type]
            person = replace(person, content_hash=wanted.content_hash)
        elif person:
            person = _as_stored(self.task, person)
        self._keep(person)
        return person

    def _keep(self, person: Record | None) -> None:
        """Remember the one person of the meeting, if there is one, instead of whom it was before."""
        kept = person.object_type if person else ""
        for kind in PEOPLE - {kept}:
            if self.task.record(kind):
                self.forget(kind, "")
        if person and not _same(self.task.record(kept), person):
            self.remember(person)

    def _change_person(self, person: Record | None) -> None:
        """Give an existing person what is mapped for them, once for each content."""
        if person is None or self.write.is_settled(person):
            return
        wanted = self.write.people[person.object_type]
        try:
            kept = self.writer.change_person(person, wanted)
        except PersonGoneError:
            self.forget(person.object_type, person.key)
            raise
        data = {**person.data, "kept": dict(kept)} if kept else person.data
        self.remember(replace(person, content_hash=wanted.content_hash, data=data))

    def _send(self, place: Place, person: Record | None, link: Link) -> tuple[Change, Reply]:
        change = self.writer.event_body(
            place.path, self.write.event, known=self.task.record("Event"), is_there=place.is_known
        )
        change = events.marked(change, place)
        owner = self.owners.of_event(is_new=not place.path)
        change = replace(
            change,
            fields={**owner, **change.fields},
            kept={**self.owners.kept(), **change.kept},
        )
        return change, self._upsert(place, {**change.fields, **link.fields}, person)

    def _completed(
        self, place: Place, person: Record | None, written: tuple[Change, Link, Reply]
    ) -> tuple[Change, Link, Reply]:
        """Give an Event that was deleted by hand, and came back by being written, what a new one gets besides."""
        change, link, reply = written
        link = self._linked_anew(person, link)
        new = self.writer.event_body("", self.write.event, known=None).fields
        missing = {name: value for name, value in new.items() if name not in change.fields}
        change = replace(change, fields={**change.fields, **missing}, before={})
        unsent = {**missing, **link.fields} if not written[1].fields else missing
        if unsent:
            reply = self._upsert(place, unsent, person)
        return change, link, reply

    def _anew(self, place: Place) -> Place:
        """Forget the Event that is gone, before another is made: where that answer is lost, it is looked for."""
        self.forget("Event", "")
        detail = f"Event {place.remote_id} is gone in Salesforce; made anew."
        self.writer.steps.append(Step(name="event", detail=detail))
        return events.place_of_new(self.client, self.task, external_id_field=self.external_id_field)

    def _upsert(self, place: Place, fields: Mapping[str, Any], person: Record | None) -> Reply:
        body = with_person(fields, person, nobody=wants_nobody(self.task))
        reply = place.send(self.client, body)
        owner = self.owners.of_event(is_new=True)
        was_made = _was_made(reply)
        if was_made and self.task.record("Event"):
            # It was deleted by hand, and this is another one: also to the next try, if what follows fails.
            self.forget("Event", "")
            self._event_came_back = True
        if was_made and owner and "OwnerId" not in body:
            reply = place.send(self.client, {**body, **owner})
        if reply.code in OWNER_REFUSED and owner:
            self._owner_refused = True
            self._tell_of_owner(reply.code, "whoever owns the Event stays it")
            body.pop("OwnerId", None)
            reply = place.send(self.client, body)
        return reply

    def _tell_of_owner(self, code: str, then: str) -> None:
        told = f"{code}: Salesforce does not take the host as owner; {then}."
        self.writer.steps.append(Step(name="owner", detail=told))

    def _event_id(self, place: Place | None, reply: Reply) -> str:
        """Return the Event's id, also when the answer had no body (204) or was made up by a dry run."""
        answered, known = (reply.require() or {}).get("id"), self.task.record("Event")
        if answered and (answered != NOT_MADE or known is None):
            return str(answered)
        found = (place.remote_id if place else "") or (known.remote_id if known else "")
        path = place.path if place else ""
        return found or str(self.client.send("GET", path).require()["Id"])


def _stored_person(task: Task) -> Record | None:
    return task.record("Contact") or task.record("Lead")


def _without_owner(change: Change) -> Change:
    """Return the change without the owner, whom Salesforce refused."""
    fields, kept = (
        {name: value for name, value in held.items() if name != "OwnerId"}
        for held in (change.fields, change.kept)
    )
    return replace(change, fields=fields, kept=kept)


def _was_made(reply: Reply) -> bool:
    return isinstance(reply.body, Mapping) and reply.body.get("created") is True


def _as_stored(task: Task, person: Record) -> Record:
    """Return the person with what is remembered of them."""
    stored = task.record(person.object_type)
    if stored is None or stored.remote_id != person.remote_id:
        return person
    kept = {"kept": stored.data["kept"]} if "kept" in stored.data else {}
    return replace(person, content_hash=stored.content_hash, data={**person.data, **kept})


def _same(stored: Record | None, person: Record) -> bool:
    """Tell whether it is stored already; by what step it was found first stays."""
    if stored is None or stored.remote_id != person.remote_id:
        return False
    return bool(stored.data.get("link") == person.data.get("link"))


def _gone(person: Record) -> Step:
    return Step(
        name="person",
        detail=f"{person.object_type} {person.remote_id} is gone in Salesforce; looked for the person again.",
    )
