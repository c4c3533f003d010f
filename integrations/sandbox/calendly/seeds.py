"""What the sandbox's Calendly holds at the start."""

import uuid
from typing import TYPE_CHECKING

from integrations.sandbox.web import Json

if TYPE_CHECKING:
    from integrations.sandbox.calendly.world import CalendlyWorld

BEGINNING = "2024-01-08T09:00:00.104711Z"
PEOPLE = [
    ("owner", "Olivia Owens", "olivia@harbor.example", "America/New_York"),
    ("admin", "Adam Adler", "adam@harbor.example", "Europe/Berlin"),
    ("user", "Uma Underwood", "uma@harbor.example", "Asia/Calcutta"),
]
TOKENS = {
    "sandbox-calendly-pat": "owner",
    "sandbox-calendly-pat-admin": "admin",
    "sandbox-calendly-pat-user": "user",
}


def seed_id(name: str) -> str:
    """Return the identifier of a seeded object, the same in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"calsync-sandbox/{name}"))


def plant(world: "CalendlyWorld") -> None:
    """Fill an empty world: organization, people, event types, a routing form and tokens."""
    world.organization = _organization(world)
    for role, name, email, timezone in PEOPLE:
        _person(world, role=role, name=name, email=email, timezone=timezone)
    _event_types(world)
    world.forms[seed_id("form")] = _form(world)
    for value, role in TOKENS.items():
        world.tokens.add_personal(user=seed_id(role), value=value)


def _organization(world: "CalendlyWorld") -> Json:
    return {
        "uri": world.uri("organizations", seed_id("organization")),
        "name": "Harbor Consulting",
        "plan": "teams",
        "stage": "paid",
        "kind": "multi",
        "id": 4711,
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
    }


def _person(world: "CalendlyWorld", *, role: str, name: str, email: str, timezone: str) -> None:
    slug = email.partition("@")[0]
    user: Json = {
        "uri": world.uri("users", seed_id(role)),
        "name": name,
        "slug": slug,
        "email": email,
        "scheduling_url": f"https://calendly.com/{slug}",
        "timezone": timezone,
        "avatar_url": None,
        "locale": "en",
        "time_notation": "24h" if role == "admin" else "12h",
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
        "resource_type": "User",
    }
    world.users[seed_id(role)] = user | {"current_organization": world.organization["uri"]}
    membership_id = seed_id(f"membership-{role}")
    world.memberships[membership_id] = {
        "uri": world.uri("organization_memberships", membership_id),
        "role": role,
        "user": user,
        "organization": world.organization["uri"],
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
    }


def question(
    name: str,
    position: int,
    *,
    type: str = "string",
    required: bool = False,
    choices: list[str] | None = None,
) -> Json:
    """Return a custom question of an event type."""
    return {
        "name": name,
        "type": type,
        "position": position,
        "enabled": True,
        "required": required,
        "answer_choices": choices,
        "include_other": bool(choices),
    }


def _event_types(world: "CalendlyWorld") -> None:
    size = ["1", "2-10", "11-50", "More than 50"]
    topics = ["Strategy", "Pricing", "Hiring", "Tooling"]
    add_event_type(
        world,
        "sales-demo",
        name="Sales Demo",
        hosts=["admin", "user"],
        pooling_type="round_robin",
        locations=[{"kind": "zoom_conference"}],
        custom_questions=[
            question("Company", 0, required=True),
            question("Phone Number", 1, type="phone_number"),
            question("Number of employees", 2, type="single_select", choices=size),
        ],
    )
    add_event_type(
        world,
        "consulting-session",
        name="Consulting Session",
        duration=60,
        locations=[{"kind": "google_conference"}],
        custom_questions=[
            question("Company", 0),
            question("Topics", 1, type="multi_select", choices=topics),
            question("What would you like to discuss?", 2, type="text"),
        ],
    )
    add_event_type(
        world,
        "interview",
        name="Interview",
        duration=45,
        hosts=["user"],
        locations=[{"kind": "physical", "location": "Pier 7, Harbor Street"}],
        custom_questions=[question("Position you apply for", 0, required=True)],
    )
    add_event_type(
        world,
        "group-workshop",
        name="Group Workshop",
        duration=90,
        kind="group",
        limit=5,
        locations=[{"kind": "custom", "location": "https://workshop.example/room"}],
    )
    add_event_type(
        world,
        "discovery-call",
        name="Discovery Call",
        active=False,
        deleted_at="2025-03-03T10:00:00.271828Z",
        locations=[{"kind": "outbound_call"}],
    )


def add_event_type(
    world: "CalendlyWorld",
    slug: str,
    *,
    hosts: list[str] | None = None,
    limit: int = 1,
    **given: object,
) -> Json:
    """Add an event type with the given keys; `hosts` are seeded roles, the owner if none."""
    key = seed_id(slug)
    roles = hosts or ["owner"]
    host = world.users[seed_id(roles[0])]
    pooled = given.get("pooling_type")
    profile = (
        {"type": "Team", "name": "Harbor Team", "owner": world.uri("teams", seed_id("team"))}
        if pooled
        else {"type": "User", "name": host["name"], "owner": host["uri"]}
    )
    world.event_types[key] = _blank_event_type(world, key=key, slug=slug) | {
        "profile": profile,
        "position": len(world.event_types),
        **given,
    }
    world.hosts_of[key] = [seed_id(role) for role in roles]
    world.limit_of[key] = limit
    return world.event_types[key]


def _blank_event_type(world: "CalendlyWorld", *, key: str, slug: str) -> Json:
    return {
        "uri": world.uri("event_types", key),
        "name": slug,
        "active": True,
        "booking_method": "instant",
        "slug": slug,
        "scheduling_url": f"https://calendly.com/harbor/{slug}",
        "duration": 30,
        "duration_options": None,
        "kind": "solo",
        "is_paid": False,
        "pooling_type": None,
        "type": "StandardEventType",
        "color": "#0a84ff",
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
        "internal_note": None,
        "description_plain": None,
        "description_html": None,
        "profile": None,
        "secret": False,
        "deleted_at": None,
        "admin_managed": False,
        "locations": None,
        "position": 0,
        "custom_questions": [],
        "locale": "en",
    }


def _form(world: "CalendlyWorld") -> Json:
    return {
        "uri": world.uri("routing_forms", seed_id("form")),
        "organization": world.organization["uri"],
        "name": "How can we help?",
        "status": "published",
        "questions": [
            {
                "uuid": seed_id("form-topic"),
                "name": "What do you need?",
                "type": "select",
                "required": True,
                "answer_choices": ["A demo", "Consulting", "A job"],
            },
            {
                "uuid": seed_id("form-email"),
                "name": "Email",
                "type": "email",
                "required": True,
                "answer_choices": None,
            },
        ],
        "created_at": BEGINNING,
        "updated_at": BEGINNING,
    }
