"""Some dozens of invented bookings, played through the sandbox: each arrives as signed webhooks.

Times are relative to now, so that the past weeks and the coming ones are always filled.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from integrations.sandbox.control_client import Json, SandboxControl

#: Bookings from before the story, and how many days ago it begins.
_OLD_BOOKINGS = 60
_STORY_DAYS = 25
#: Days from today, hour (UTC), event type, name, company, and what became of it.
_SCENES = """
-21  9 sales-demo         Amara Okafor       Northwind
-20 14 consulting-session Bruno Keller       Keller Legal
-19 10 interview          Chen Wei           -                  no_show
-18 16 sales-demo         Dana Petrova       Fabrikam           cancel
-17 11 sales-demo         Émile Laurent      Société Laurent
-16  9 group-workshop     Farah Haddad       Contoso
-16  9 group-workshop     Gita Rao           Rao Textiles
-16  9 group-workshop     Henrik Dahl        Dahl AS            cancel
-14 13 consulting-session Ines Duarte        Duarte & Filhos    reschedule
-13 15 sales-demo         Jonas Weber        Weber GmbH
-12 10 interview          Keiko Tanaka       -
-11 17 sales-demo         Liam O'Brien       O'Brien Brothers
-10  9 consulting-session Mira Novak         Novak Media        reschedule_twice
 -9 14 sales-demo         Noor El-Sayed      Cairo Foods        no_show_undone
 -8 11 sales-demo         Oskar Lind         Lind Bygg          host_cancel
 -7 16 interview          Paula Gomez        -
 -6 10 consulting-session Quentin Moore      Moore Partners
 -5 13 sales-demo         Rosa Blum          Blumenhaus         no_show
 -4  9 sales-demo         Sven Eriksson      Eriksson Group     failing
 -3 15 interview          Tomás Silva        -                  reschedule
 -2 11 consulting-session Ulla Berg          Berg Advokater
 -1 14 sales-demo         Vikram Shah        Shah Logistics
  0 15 sales-demo         Mina Okafor        Okafor Freight
  0 17 interview          Noor Rahman        -
  1  9 sales-demo         Wanda Maximov      Maximov Labs
  1 15 consulting-session Xavier Dupont      Dupont Conseil     reschedule
  2 10 sales-demo         Yara Haddad        Haddad Imports     failing
  2 16 interview          Zoë Müller         -
  3  9 group-workshop     Anton Berg         Berg Energi
  3  9 group-workshop     Bella Rossi        Rossi Vini
  3  9 group-workshop     Carlos Vega        Vega Solar
  4 13 sales-demo         Dilara Çelik       Çelik Tekstil      cancel
  5 11 consulting-session Elena Ivanova      Ivanova Audit      link_later
  6 14 sales-demo         Felix Braun        Braun Maschinen
  8  9 interview          Grace Adeyemi      -                  reschedule_twice
  9 16 sales-demo         Hugo Martin        Martin Frères      duplicated
 11 10 consulting-session Isla MacLeod       MacLeod Estates
 13 15 sales-demo         Jun Park           Park Robotics      reordered
 16 11 sales-demo         Karim Benali       Benali Textiles    known_twice
 20 14 consulting-session Laura Conti        Studio Conti
"""
#: Who has a consulting session whose moment comes while the demo looks on: when it begins, and when it was booked.
_MOMENTS = (
    ("Milan Horvat", "Horvat Logistika", timedelta(days=1), timedelta(days=-2)),
    ("Nadia Farouk", "Farouk & Partners", timedelta(hours=3), timedelta()),
    ("Otto Lehmann", "Lehmann Bau", timedelta(minutes=-60), timedelta(days=-5)),
)

#: Whose meeting somebody changes in Salesforce by hand.
_CHANGED = "Laura Conti"

_CAMPAIGNS = ("spring-launch", "newsletter", "partner-day")
_SIZES = ("2-10", "11-50", "More than 50")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One booking and what became of it; times in UTC."""

    number: int
    event_type: str
    name: str
    company: str
    start_at: datetime
    booked_at: datetime
    ending: str

    @property
    def email(self) -> str:
        """The invitee's invented address."""
        folded = unicodedata.normalize("NFKD", self.name.casefold()).replace(" ", ".")
        plain = "".join(c for c in folded if c == "." or (c.isascii() and c.isalpha()))
        return f"{plain}@example.com"


def scenes(now: datetime) -> Iterator[Scene]:
    """Yield the scenes in the order they were booked, relative to `now`."""
    rows = [line for line in _SCENES.splitlines() if line]
    found = [_scene(number, row, now=now) for number, row in enumerate(rows)]
    return iter(sorted(found, key=lambda scene: scene.booked_at))


def _scene(number: int, row: str, *, now: datetime) -> Scene:
    days, hour, event_type, rest = row.split(None, 3)
    name, company, ending = rest[:19].strip(), rest[19:38].strip(), rest[38:].strip()
    day = _working_day((now + timedelta(days=int(days))).date(), past=int(days) < 0)
    start_at = datetime.combine(day, time(int(hour)), tzinfo=UTC)
    booked_at = min(
        start_at - timedelta(days=4, minutes=7 * number),
        now - timedelta(hours=6, minutes=-5 * number),
    )
    return Scene(
        number=number, event_type=event_type, name=name, company="" if company == "-" else company,
        start_at=start_at, booked_at=booked_at, ending=ending,
    )  # fmt: skip


def _working_day(day: date, *, past: bool) -> date:
    while day.weekday() > 4:
        day += timedelta(days=-1 if past else 1)
    return day


def seed_history(sandbox: SandboxControl, *, days: int, now: datetime) -> None:
    """Have Calendly hold bookings from before anybody listened; no webhook tells of them."""
    start = now - timedelta(days=days - 1)
    sandbox.seed_bookings(_OLD_BOOKINGS, start=start.isoformat(), days=days - _STORY_DAYS)


def play(sandbox: SandboxControl, *, now: datetime) -> int:
    """Play every scene over signed webhooks and return how many there were."""
    count = 0
    for scene in scenes(now):
        _play(sandbox, scene, now=now)
        count += 1
    sandbox.submit_form({"What do you need?": "A demo"})
    return count


def play_moments(sandbox: SandboxControl, *, now: datetime) -> int:
    """Play the meetings that the clock comes to with the next second, and return how many they are.

    A day before one its questionnaire is due, another was booked too late for that, and a third ends.
    """
    at = now.replace(microsecond=0) + timedelta(seconds=1)
    for name, company, begins, booked in _MOMENTS:
        first, last = name.split()
        sandbox.book(
            name=name, email=f"{first}.{last}@example.com".lower(), event_type="consulting-session", answers={"Company": company},
            start_time=_iso(at + begins), end_time=_iso(at + begins + timedelta(hours=1)), now=_iso(at + booked),
        )  # fmt: skip
    return len(_MOMENTS)


def change_by_hand(sandbox: SandboxControl) -> None:
    """Move one meeting to another place in Salesforce, as a person there would, without asking Calendly."""
    events = sandbox.salesforce_records("Event")
    for event in [row for row in events if row["Subject"].endswith(_CHANGED)]:
        sandbox.salesforce_change("Event", event["Id"], Location="At the client's, second floor")


def _play(sandbox: SandboxControl, scene: Scene, *, now: datetime) -> None:
    _prepare(sandbox, scene)
    invitee = _book(sandbox, scene)
    after = min(scene.booked_at + timedelta(days=1), now - timedelta(hours=2))
    if scene.ending.startswith("reschedule") or scene.ending == "reordered":
        moved = _reschedule(sandbox, invitee, scene, days=1, at=after)
        if scene.ending == "reschedule_twice":
            _reschedule(sandbox, moved, scene, days=2, at=after + timedelta(minutes=50))
    elif scene.ending == "cancel":
        sandbox.cancel(invitee["uri"], reason="Something came up", now=_iso(after))
    elif scene.ending == "host_cancel":
        sandbox.cancel(invitee["uri"], reason="I am ill", canceler_type="host", now=_iso(after))
    elif scene.ending.startswith("no_show"):
        _no_show(sandbox, invitee, scene)


def _prepare(sandbox: SandboxControl, scene: Scene) -> None:
    _make_known(sandbox, scene)
    if scene.ending == "failing":
        sandbox.salesforce_validation_rule(
            "Lead", requires="Phone", message="Leads from Calendly need a phone number.", Email=scene.email
        )  # fmt: skip
    if scene.ending == "known_twice":
        first, _, last = scene.name.partition(" ")
        for company in (scene.company, f"{last} Group"):
            account = sandbox.salesforce_insert("Account", Name=company)
            sandbox.salesforce_insert(
                "Contact", FirstName=first, LastName=last, Email=scene.email, AccountId=account
            )
    if scene.ending == "duplicated":
        sandbox.add_fault("webhooks", "duplicate", copies=2)
    if scene.ending == "reordered":
        sandbox.add_fault("webhooks", "reorder", messages=2)


def _make_known(sandbox: SandboxControl, scene: Scene) -> None:
    """Have customer success know who books a demo, and the applicant tracking who comes to an interview."""
    key = f"demo-{scene.number}"
    if scene.event_type == "sales-demo":
        sandbox.rest_insert("accounts", id=key, name=scene.company)
        sandbox.rest_insert("users", id=key, email=scene.email, name=scene.name, accountIds=[key], organizationIds=[])  # fmt: skip
    if scene.event_type == "interview":
        urls = {"show": f"https://hire.lever.co/candidates/{key}"}
        sandbox.rest_insert("opportunities", id=key, name=scene.name, emails=[scene.email], archived=None, urls=urls)  # fmt: skip


def _book(sandbox: SandboxControl, scene: Scene) -> Json:
    answers = (
        {"Company": scene.company}
        if scene.company
        else {"Position you apply for": "Backend developer"}
    )
    if scene.event_type == "sales-demo":
        answers["Number of employees"] = _SIZES[scene.number % len(_SIZES)]
    if scene.event_type == "group-workshop":
        answers = {}
    return sandbox.book(
        name=scene.name, email=scene.email, event_type=scene.event_type, start_time=_iso(scene.start_at),
        now=_iso(scene.booked_at), answers=answers,
        tracking={"utm_source": "website", "utm_campaign": _CAMPAIGNS[scene.number % len(_CAMPAIGNS)]},
        conference_delay=4 if scene.ending == "link_later" else None,
    )  # fmt: skip


def _reschedule(
    sandbox: SandboxControl, invitee: Json, scene: Scene, *, days: int, at: datetime
) -> Json:
    start = _iso(scene.start_at + timedelta(days=days, hours=1))
    return sandbox.reschedule(invitee["uri"], start_time=start, now=_iso(at))


def _no_show(sandbox: SandboxControl, invitee: Json, scene: Scene) -> None:
    at = scene.start_at + timedelta(minutes=20)
    sandbox.mark_no_show(invitee["uri"], now=_iso(at))
    if scene.ending == "no_show_undone":
        sandbox.unmark_no_show(invitee["uri"], now=_iso(at + timedelta(minutes=9)))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
