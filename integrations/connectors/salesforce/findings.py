"""What is known of an invitee, what is asked for, and what is answered: the values of matching."""

from dataclasses import dataclass
from typing import Literal

from bookings.free_mail import FREE_MAIL
from integrations.connectors.base import Record, Step
from integrations.connectors.salesforce.options import SalesforceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Say which steps are taken, and what is done where nobody or more than one is found.

    `external_id` is the field of Contact and Lead that holds the meeting's key; empty where there is none.
    """

    link: bool = True
    external_id: str = ""
    contacts: bool = True
    leads: bool = True
    accounts: bool = False
    create: Literal["lead", "contact", "nothing"] = "lead"
    when_ambiguous: Literal["review", "newest"] = "review"
    free_mail: frozenset[str] = FREE_MAIL
    person_accounts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Hold a record that a look-up brought. `leads_to` is what it was converted or merged into."""

    object_type: str
    id: str
    name: str = ""
    company: str = ""
    owner: str = ""
    changed: str = ""
    website: str = ""
    leads_to: str = ""
    ended: bool = False
    is_person_account: bool = False

    @property
    def target(self) -> str:
        """Return the record to use for this one; nothing where it ended and nothing came of it."""
        return self.leads_to if self.leads_to or self.ended else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Hold what is known of the invitee, and what the look-ups brought; before them, only the first four.

    `linked` is the text that the booking's link carried. `gone` are ids that Salesforce would not write to, `after`
    what they became. `blocked` says that a duplicate rule refused the new record, for the sake of `duplicates`.
    `users` have the host's address, `event` is the meeting's Event with its owner: they say nothing of the invitee.
    """

    email: str = ""
    linked: str = ""
    stored: Record | None = None
    gone: frozenset[str] = frozenset()
    link: tuple[Hit, ...] = ()
    after: tuple[Hit, ...] = ()
    external: tuple[Hit, ...] = ()
    contacts: tuple[Hit, ...] = ()
    leads: tuple[Hit, ...] = ()
    accounts: tuple[Hit, ...] = ()
    users: tuple[Hit, ...] = ()
    event: tuple[Hit, ...] = ()
    blocked: bool = False
    duplicates: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Answer that the invitee is this record; `by` is the step that found it."""

    object_type: str
    id: str
    by: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Answer that the invitee is new; `account` is the Account that a Contact is put into, if one is known."""

    object_type: str
    account: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobody:
    """Answer that the meeting is written without a person."""

    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Answer that a person has to choose, why, and among what."""

    reason: str
    candidates: tuple[Hit, ...] = ()
    steps: tuple[Step, ...] = ()


Answer = Use | Create | Nobody | Stop


def policy_of(settings: SalesforceSettings) -> Policy:
    """Return the policy that a connection's settings ask for."""
    extra = {domain.strip().casefold().lstrip("@") for domain in settings.free_mail_domains}
    return Policy(
        link=settings.match_link,
        external_id=settings.person_external_id_field,
        contacts=settings.match_contacts,
        leads=settings.match_leads,
        accounts=settings.match_accounts,
        create=settings.create,
        when_ambiguous=settings.when_ambiguous,
        free_mail=FREE_MAIL | extra,
        person_accounts=settings.person_accounts,
    )
