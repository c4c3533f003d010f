"""Answers about people, event types and routing forms."""

from integrations.sandbox.calendly import removals
from integrations.sandbox.calendly.call import Call
from integrations.sandbox.calendly.errors import forbidden, insufficient_scope, invalid_all
from integrations.sandbox.calendly.paging import ordered, page
from integrations.sandbox.calendly.world import fetch, tail
from integrations.sandbox.web import Json

CREATED = ("created_at",)
EVENT_TYPE_SORT = ("name", "position", "created_at", "updated_at")


def resource(row: Json) -> Json:
    """Return one object the way the API wraps it."""
    return {"resource": row}


def me(call: Call) -> Json:
    """Return the user to whom the token belongs."""
    return resource(call.world.users[call.token.user])


def user(call: Call, key: str) -> Json:
    """Return a user of the organization."""
    row = fetch(call.world.users, key)
    if key != call.token.user and not call.is_admin:
        raise forbidden()
    return resource(row)


def organization(call: Call, key: str) -> Json:
    """Return the organization."""
    own = call.world.organization
    return resource(fetch({tail(own["uri"]): own}, key))


def memberships(call: Call) -> Json:
    """List memberships by organization, user, email or role."""
    query, rows = call.query, list(call.world.memberships.values())
    if not query.get("organization") and not query.get("user"):
        raise invalid_all([("organization", "is missing"), ("user", "is missing")])
    if query.get("organization"):
        call.require_organization(query["organization"])
    if query.get("user") and call.require_user(query["user"]) != call.token.user:
        call.require_organization(query.get("organization") or call.world.organization["uri"])
    call.choice("role", ("owner", "admin", "user"))
    return page(
        call,
        [
            row
            for row in rows
            if query.get("user", row["user"]["uri"]) == row["user"]["uri"]
            and query.get("email", row["user"]["email"]).lower() == row["user"]["email"]
            and query.get("role", row["role"]) == row["role"]
        ],
    )


def membership(call: Call, key: str) -> Json:
    """Return one membership."""
    row = fetch(call.world.memberships, key)
    if tail(row["user"]["uri"]) != call.token.user and not call.is_admin:
        raise forbidden()
    return resource(row)


def remove_membership(call: Call, key: str) -> None:
    """Remove a member from the organization."""
    row = fetch(call.world.memberships, key)
    if not call.is_admin:
        raise forbidden()
    removals.remove_member(call.world, tail(row["user"]["uri"]))


def event_types(call: Call) -> Json:
    """List the event types of the organization or of a user; deleted ones are left out."""
    query, world = call.query, call.world
    if not query.get("organization") and not query.get("user"):
        raise invalid_all([("organization", "is missing"), ("user", "is missing")])
    if query.get("organization"):
        call.require_organization(query["organization"], admin=False)
    host = call.require_user(query["user"]) if query.get("user") else None
    active = call.choice("active", ("true", "false"))
    rows = [
        row
        for key, row in world.event_types.items()
        if row["deleted_at"] is None
        and (host is None or host in world.hosts_of[key])
        and (not active or row["active"] is (active == "true"))
    ]
    return page(call, ordered(call, rows, keys=EVENT_TYPE_SORT, default="name:asc"))


def event_type(call: Call, key: str) -> Json:
    """Return an event type, a deleted one too."""
    return resource(fetch(call.world.event_types, key))


def event_type_memberships(call: Call) -> Json:
    """List the hosts of an event type."""
    key = tail(call.needed("event_type"))
    row = fetch(call.world.event_types, key)
    hosts = [
        {"event_type": row["uri"], "member": member}
        for member in (call.world.users.get(host) for host in call.world.hosts_of[key])
        if member
    ]
    return page(call, hosts)


def routing_forms(call: Call) -> Json:
    """List the routing forms of the organization."""
    call.require_organization(call.needed("organization"))
    rows = list(call.world.forms.values())
    return page(call, ordered(call, rows, keys=CREATED, default="created_at:asc"))


def routing_form(call: Call, key: str) -> Json:
    """Return a routing form."""
    return resource(fetch(call.world.forms, key))


def submissions(call: Call) -> Json:
    """List the submissions of a routing form."""
    form = fetch(call.world.forms, tail(call.needed("form")))
    rows = [row for row in call.world.submissions.values() if row["routing_form"] == form["uri"]]
    return page(call, ordered(call, rows, keys=CREATED, default="created_at:asc"))


def submission(call: Call, key: str) -> Json:
    """Return a submission."""
    return resource(fetch(call.world.submissions, key))


def require_scope(call: Call, scope: str) -> None:
    """Check that the token has a scope. Raises ApiError 403."""
    if not call.token.allows(scope):
        raise insufficient_scope([scope])
