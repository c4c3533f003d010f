"""What a condition can ask about: every fact with its type, its words, and whether it may name a person."""

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.conditions.operators import Type

KINDS = (
    "booked", "rescheduled", "canceled", "no_show", "no_show_removed", "updated", "starting", "ended",
)  # fmt: skip
CAUSES = ("webhook", "refetch", "backfill", "clock")
STATUSES = ("booked", "rescheduled", "canceled", "no-show")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UTM = ("source", "medium", "campaign", "term", "content")

#: What an event can say that it was and became: its type, its words, and whether it may name a person.
CHANGED: Mapping[str, tuple[Type, str, bool]] = {
    "start_at": (Type.MOMENT, "the start", False),
    "end_at": (Type.MOMENT, "the end", False),
    "status": (Type.TEXT, "the status", False),
    "no_show": (Type.YES_NO, "the invitee was a no-show", False),
    "name": (Type.TEXT, "the name of the meeting", True),
    "hosts": (Type.LIST, "the list of hosts", True),
    "guests": (Type.LIST, "the list of guests", True),
    "location_type": (Type.TEXT, "the kind of place", False),
    "location_text": (Type.TEXT, "the place", True),
    "join_url": (Type.TEXT, "the join link", True),
    "email": (Type.TEXT, "the invitee's e-mail address", True),
    "first_name": (Type.TEXT, "the invitee's first name", True),
    "last_name": (Type.TEXT, "the invitee's last name", True),
    "text_reminder_number": (Type.TEXT, "the number for text reminders", True),
    "timezone": (Type.TEXT, "the invitee's time zone", False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Name something that a condition can ask about.

    `words` name it in a sentence, or are one where it is true or false. `argument` says in a word what it needs beside.
    `names_person`: its value may say who somebody is, so that no reason quotes it. `choices` are all values there are.
    """

    name: str
    type: Type
    words: str
    group: str
    argument: str = ""
    names_person: bool = False
    choices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return how it is offered in a list."""
        words = self.words.removeprefix("the ")
        asked = f" a {self.argument}" if self.argument else ""
        return words[0].upper() + words[1:] + asked


def _event() -> tuple[Fact, ...]:
    group, sides = "Event", (("before", "before the change"), ("after", "after the change"))
    return (
        Fact(name="event.kind", type=Type.TEXT, words="the kind of event", group=group, choices=KINDS),
        Fact(name="event.cause", type=Type.TEXT, words="what brought the event", group=group, choices=CAUSES),
        Fact(name="changed", type=Type.LIST, words="the list of what changed", group=group, choices=(*CHANGED, "answers")),
        *(
            Fact(name=f"{side}.{name}", type=kind, words=f"{words} {when}", group=group, names_person=names_person)
            for side, when in sides
            for name, (kind, words, names_person) in CHANGED.items()
        ),
        *(
            Fact(name=f"{side}.answer", type=Type.TEXT, words=f"the answer {when} to", group=group, argument="question", names_person=True)
            for side, when in sides
        ),
    )  # fmt: skip


def _meeting() -> tuple[Fact, ...]:
    group = "Meeting"
    return (
        Fact(name="booking.status", type=Type.TEXT, words="the status of the meeting", group=group, choices=STATUSES),
        Fact(name="booking.start_at", type=Type.MOMENT, words="the start of the meeting", group=group),
        Fact(name="booking.hours_ahead", type=Type.NUMBER, words="the number of hours from the event to the start", group=group),
        Fact(name="booking.weekday", type=Type.TEXT, words="the weekday of the start in the host's time zone", group=group, choices=WEEKDAYS),
        Fact(name="booking.hour", type=Type.NUMBER, words="the hour (0 to 23) of the start in the host's time zone", group=group),
        Fact(name="booking.duration", type=Type.NUMBER, words="the duration in minutes", group=group),
        Fact(name="booking.location_type", type=Type.TEXT, words="the kind of place of the meeting", group=group),
        Fact(name="booking.reschedule_count", type=Type.NUMBER, words="the number of times the meeting was moved", group=group),
        Fact(name="booking.is_canceled", type=Type.YES_NO, words="the meeting is canceled", group=group),
        Fact(name="booking.is_no_show", type=Type.YES_NO, words="the invitee is a no-show", group=group),
        Fact(name="booking.cancel_reason", type=Type.TEXT, words="the reason of the cancellation", group=group, names_person=True),
        Fact(name="booking.canceler_type", type=Type.TEXT, words="who canceled (host or invitee)", group=group),
        Fact(name="booking.guest_count", type=Type.NUMBER, words="the number of guests", group=group),
    )  # fmt: skip


def _invitee() -> tuple[Fact, ...]:
    group = "Invitee"
    return (
        Fact(name="invitee.name", type=Type.TEXT, words="the invitee's name", group=group, names_person=True),
        Fact(name="invitee.email", type=Type.TEXT, words="the invitee's e-mail address", group=group, names_person=True),
        Fact(name="invitee.email_domain", type=Type.TEXT, words="the invitee's e-mail domain", group=group, names_person=True),
        Fact(name="invitee.is_free_mail", type=Type.YES_NO, words="the invitee's address is at a free mail provider", group=group),
        Fact(name="invitee.company", type=Type.TEXT, words="the invitee's company (from the question for it)", group=group, names_person=True),
        Fact(name="invitee.has_phone", type=Type.YES_NO, words="the invitee's phone number is known", group=group),
        Fact(name="invitee.timezone", type=Type.TEXT, words="the invitee's time zone", group=group),
        Fact(name="invitee.prior_bookings", type=Type.NUMBER, words="the number of earlier meetings of the same address", group=group),
        Fact(name="invitee.prior_no_shows", type=Type.NUMBER, words="the number of earlier meetings that the same address missed", group=group),
        Fact(name="invitee.prior_cancels", type=Type.NUMBER, words="the number of earlier meetings of the same address that are canceled", group=group),
        Fact(name="answer", type=Type.TEXT, words="the answer to", group=group, argument="question", names_person=True),
    )  # fmt: skip


def _others() -> tuple[Fact, ...]:
    return (
        *(Fact(name=f"utm_{name}", type=Type.TEXT, words=f"the UTM {name}", group="Booking link", names_person=True) for name in UTM),
        Fact(name="salesforce_uuid", type=Type.TEXT, words="the Salesforce id in the link", group="Booking link", names_person=True),
        Fact(name="host.name", type=Type.TEXT, words="the first host's name", group="Host", names_person=True),
        Fact(name="host.email", type=Type.TEXT, words="the first host's e-mail address", group="Host", names_person=True),
        Fact(name="host.emails", type=Type.LIST, words="the list of the hosts' e-mail addresses", group="Host", names_person=True),
        Fact(name="host.teams", type=Type.LIST, words="the list of the hosts' teams", group="Host"),
        Fact(name="event_type.name", type=Type.TEXT, words="the name of the event type", group="Event type", names_person=True),
        Fact(name="event_type.slug", type=Type.TEXT, words="the slug of the event type", group="Event type"),
        Fact(name="event_type.uri", type=Type.TEXT, words="the Calendly URI of the event type", group="Event type"),
    )  # fmt: skip


#: Every fact by its name, in the order in which they are offered.
FACTS: Mapping[str, Fact] = {
    fact.name: fact for make in (_event, _meeting, _invitee, _others) for fact in make()
}
