"""Fill an empty PostgreSQL with the bookings of a large company: five years, made by SQL, the same at each run.

At scale 1: 1,000,000 bookings with an invitee each, 3,000,000 deliveries at three destinations, 5,000,000 attempts and
1,000,000 webhooks; 200 hosts, 50 event types; a few thousand failures, some hundreds that wait, 3 % no-shows.
"""

from datetime import timedelta
from typing import Any

from django.db import connection, models
from django.utils import timezone

from bookings.models import Booking, BookingEvent, BookingHost, EventType, Host, Invitee
from integrations.models import (
    Connection,
    Delivery,
    DeliveryAttempt,
    InboundWebhook,
    RemoteRecord,
    Rule,
    WebhookSubscription,
)

BOOKINGS = 1_000_000
HOSTS, TYPES = 200, 50
#: The newest starts lie so far ahead.
AHEAD = timedelta(days=15)
YEARS = timedelta(days=5 * 365)
PROVIDERS = ("salesforce", "slack", "webhook")

_INDEX = "CREATE INDEX booking_search ON bookings_booking USING gin (search_text gin_trgm_ops)"
#: Hundreds of first and last names, and some thousand companies; n is the row's number.
_FIRST = "initcap(substr(md5('first' || (n * 7919) % 400), 1, 6))"
_LAST = "initcap(substr(md5('last' || (n * 104729) % 3000), 1, 8))"
_COMPANY = "initcap(substr(md5('company' || (n * 15485863) % 20000), 1, 7)) || ' Ltd'"
_EXCHANGE = """[{"method": "POST", "url": "https://example.com/services/data/v60.0/sobjects/Event", "request": {"Subject": "Intro call", "DurationInMinutes": 30}, "status": 200, "response": {"id": "00U000000000001", "success": true}, "milliseconds": 52, "error": ""}]"""
_STEPS = """[{"name": "rule", "detail": "Booked, so it is written."}, {"name": "match", "detail": "By e-mail."}]"""


def fill(scale: float, *, meetings_only: bool = False) -> None:
    """Fill the database at this scale, then let PostgreSQL look at it; takes minutes at scale 1.

    With `meetings_only` nothing of them was sent, and no webhook is left.
    """
    count = max(1000, round(BOOKINGS * scale))
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET session_replication_role = replica")  # keys are right as they are made
        cursor.execute("DROP INDEX IF EXISTS booking_search")
        subscription = _setup()
        _directory()
        _meetings(count)
        if not meetings_only:
            _deliveries(count)
            _traffic(count, subscription)
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute(_INDEX)
        for model in (Connection, Rule, Host, EventType, Booking, BookingHost, Invitee, BookingEvent, Delivery, DeliveryAttempt, InboundWebhook, RemoteRecord):  # fmt: skip
            cursor.execute(_sequence(model))
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET session_replication_role")


def _setup() -> int:
    now = timezone.now()
    for number, provider in enumerate(PROVIDERS, start=1):
        made = Connection.objects.create(pk=number, provider=provider, name=provider.capitalize(), state_changed_at=now)  # fmt: skip
        Rule.objects.create(pk=number, name=f"To {provider}", kinds=["booked"], connection=made, action="sync_meeting")  # fmt: skip
    calendly = Connection.objects.create(pk=9, provider="calendly", name="Calendly", state_changed_at=now)  # fmt: skip
    return WebhookSubscription.objects.create(connection=calendly, scope="organization").pk


def _directory() -> None:
    _insert(
        Host, HOSTS, uri="'https://api.calendly.com/users/' || n", name=f"{_FIRST} || ' ' || {_LAST}",
        email="'host' || n || '@example.com'", timezone="'Europe/Berlin'", account="'calendly:9'", source_updated_at="now()",
    )  # fmt: skip
    _insert(
        EventType, TYPES, uri="'https://api.calendly.com/event_types/' || n", slug="'call-' || n", kind="'solo'",
        name="(ARRAY['Intro call', 'Demo', 'Quarterly review', 'Onboarding', 'Support'])[1 + n % 5] || ' ' || n",
        account="'calendly:9'", source_updated_at="now()",
    )  # fmt: skip


def _meetings(count: int) -> None:
    """Make bookings in the order of their starts, shuffled a little, who comes, and that it was booked."""
    step = (YEARS / count).total_seconds()
    start = f"date_trunc('minute', now()) + interval '{AHEAD.days} days' - make_interval(secs => (({count} - n) * {step})::float + ((n * 7919) % 86400))"
    canceled = "CASE WHEN n % 7 = 0 THEN 'canceled' ELSE 'active' END"
    kind = f"(1 + (n * 31) % {TYPES})"
    name = f"(SELECT t.name FROM bookings_eventtype t WHERE t.id = {kind})"
    email = f"lower({_FIRST} || '.' || {_LAST}) || n || '@' || lower(split_part({_COMPANY}, ' ', 1)) || '.example'"
    _insert(
        Booking, count, uri="'https://api.calendly.com/scheduled_events/' || n", name=name, status=canceled, start_at=start,
        end_at=f"{start} + interval '30 minutes'", created_at=f"least({start} - make_interval(days => (n % 30)::int), now() - make_interval(days => (n % 15)::int))", event_type_id=kind,
        location_type="'zoom'", join_url="'https://zoom.example.com/j/' || n", account="'calendly:9'",
        search_text=f"lower(' ' || {name} || ' ' || {_FIRST} || ' ' || {_LAST} || ' ' || {email} || ' ' || {_COMPANY} || ' pricing')",
        source_updated_at="now()", observed_at="now()", raw="""jsonb_build_object('uri', n, 'name', 'Intro call', 'padding', repeat('x', 300))""",
    )  # fmt: skip
    _insert(BookingHost, count, booking_id="n", host_id=f"1 + (n * 17) % {HOSTS}", position="0")
    _insert(
        Invitee, count, uri="'https://api.calendly.com/scheduled_events/' || n || '/invitees/1'", booking_id="n",
        chain_id="CASE WHEN n % 20 = 0 THEN n - 1 ELSE n END", status=canceled, created_at="now() - interval '9 days'",
        name=f"{_FIRST} || ' ' || {_LAST}", email=email, email_folded=email, timezone="'America/New_York'",
        answers=f"jsonb_build_array(jsonb_build_object('question', 'Company', 'answer', {_COMPANY}, 'position', 0), jsonb_build_object('question', 'What about?', 'answer', 'Pricing', 'position', 1))",
        no_show_uri="CASE WHEN n % 33 = 0 THEN 'https://api.calendly.com/invitee_no_shows/' || n ELSE '' END",
        source_updated_at="now()", observed_at="now()", announced_at="now()",
    )  # fmt: skip
    _insert(BookingEvent, count, kind="'booked'", booking_id="n", invitee_id="n", chain_id="CASE WHEN n % 20 = 0 THEN n - 1 ELSE n END", cause="'webhook'", cause_id="n", occurred_at="now()", created_at="now()")  # fmt: skip


def _deliveries(count: int) -> None:
    """Make three deliveries an event, one event a minute: sent, but for the newest that wait, and failures all over the years."""
    booking = "(1 + (n - 1) / 3)"
    state = f"CASE WHEN n > {3 * count} - 500 THEN 'waiting' WHEN n % 997 = 0 THEN 'failed' WHEN n % 10 = 0 THEN 'skipped' ELSE 'delivered' END"
    failed = f"({state}) = 'failed'"
    at = f"now() - make_interval(mins => ({count} - {booking})::int)"
    _insert(
        Delivery, 3 * count, event_id=booking, rule_id="1 + n % 3", connection_id="1 + n % 3",
        chain_id=f"CASE WHEN {booking} % 20 = 0 THEN {booking} - 1 ELSE {booking} END", serial_key=f"'person ' || {booking}",
        action="'sync_meeting'", state=state, failure_class=f"CASE WHEN {failed} THEN 'permanent' ELSE '' END",
        error=f"CASE WHEN {failed} THEN 'Answered: field ' || n % 9 || ' is required.' ELSE '' END",
        hint=f"CASE WHEN {failed} THEN 'Map the field, then retry.' ELSE '' END", result=f"CASE WHEN {failed} THEN '' ELSE 'Written.' END",
        not_before=at, created_at=at, settled_at=f"CASE WHEN n > {3 * count} - 500 THEN NULL ELSE {at} END",
        attempt_count="1 + n % 2",
    )  # fmt: skip
    _insert(
        DeliveryAttempt, 5 * count, delivery_id=f"CASE WHEN n <= {3 * count} THEN n ELSE 1 + (n - {3 * count} - 1) * 3 / 2 END",
        number=f"CASE WHEN n <= {3 * count} THEN 1 ELSE 2 END", outcome="'delivered'", steps=f"'{_STEPS}'", exchanges=f"'{_EXCHANGE}'",
        started_at="now()", finished_at="now()",
    )  # fmt: skip
    _insert(RemoteRecord, count, connection_id="1", chain_id="n", object_type="'Event'", remote_id="'00U' || n", url="'https://example.my.salesforce.com/00U' || n", created_at="now()", updated_at="now()")  # fmt: skip


def _traffic(count: int, subscription: int) -> None:
    state = "CASE WHEN n % 2003 = 0 THEN 'failed' ELSE 'processed' END"
    body = """convert_to('{"event": "invitee.created", "payload": {"number": ' || n || ', "padding": "' || repeat('x', 200) || '"}}', 'UTF8')"""
    _insert(
        InboundWebhook, count, subscription_id=str(subscription), body=body, body_sha256="md5(n::text) || md5(n::text)", state=state,
        kind="'invitee.created'", delivery_key="md5(n::text)", booking_id="n", outcome="'booked'", signed_at="now()",
        received_at=f"now() - make_interval(mins => ({count} - n)::int)", last_seen_at="now()", processed_at="now()", verified_by="'current'",
    )  # fmt: skip


def _insert(model: type[models.Model], count: int, **values: str) -> None:
    """Insert rows 1 to `count`: an SQL expression of n a column, the model's own default for the others."""
    names, expressions, parameters = ["id"], ["n"], []
    for field in model._meta.concrete_fields:
        column = str(field.column)
        if field.primary_key:
            continue
        if column in values:
            names.append(column)
            expressions.append(values[column].replace("%", "%%"))
        elif not field.null:
            names.append(column)
            expressions.append("%s")
            parameters.append(_default(field))
    sql = f"INSERT INTO {model._meta.db_table} ({', '.join(names)}) SELECT {', '.join(expressions)} FROM generate_series(1::bigint, {count}) AS n"
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("(n * ", "(n::bigint * ").replace(") % ", ") % "), parameters)


def _default(field: Any) -> Any:
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        return timezone.now()
    return field.get_db_prep_save(field.get_default(), connection)


def _sequence(model: type[models.Model]) -> str:
    table = model._meta.db_table
    return f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
