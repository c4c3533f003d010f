"""Every row once, while others are added; found by an index, however many there are."""

from datetime import timedelta

import pytest
from django.db import connection

from tests.api.conftest import PEOPLE, SERVED, asking
from tests.factories import NOW, BookingFactory, EventTypeFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("ordering", ["start_time", "-start_time", "created_at", "-id"])
def test_every_row_comes_once_while_others_are_added(ask, ordering):
    kind = EventTypeFactory.create()
    make = {"event_type": kind, "hosts": []}
    # Three of each start: ties are cut by a page's end.
    rows = [BookingFactory.create(start_at=NOW + timedelta(hours=n // 3), **make) for n in range(8)]

    seen, url = [], "bookings"
    query = {"ordering": ordering, "page_size": 3}
    while url:
        answer = ask(url, **query).json()
        seen += [row["id"] for row in answer["results"]]
        BookingFactory.create(start_at=NOW - timedelta(days=1), **make)
        BookingFactory.create(start_at=NOW + timedelta(days=1), **make)
        url, query = (answer["next"] or "").partition("/api/v1/")[2], {}
        assert len(seen) < 40
        if len(seen) > 30:
            break

    old = [pk for pk in seen if pk in {row.pk for row in rows}]
    assert sorted(old) == sorted(row.pk for row in rows)
    assert len(seen) == len(set(seen))


def test_a_cursor_belongs_to_its_order(ask):
    BookingFactory.create_batch(2)
    following = ask("bookings", page_size=1).json()["next"]
    cursor = following.partition("cursor=")[2].partition("&")[0]

    response = ask("bookings", cursor=cursor, ordering="id")

    assert response.status_code == 400
    assert "in another order" in response.json()["errors"]["cursor"][0]


@pytest.mark.postgres
def test_a_page_and_a_pull_are_answered_by_indexes():
    ask = asking(*SERVED, PEOPLE)
    columns = "uri, start_at, end_at, created_at, mirrored_at, status, name, account, content_hash, raw, guests"
    places = "location_type, location_status, location_text, join_url, canceled_by, cancel_reason, canceler_type, search_text"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO bookings_booking ({columns}, {places}) SELECT 'u' || n, t, t, t, t, 'active', '', '', '', '{{}}', '[]', "
            "'', '', '', '', '', '', '', '' FROM (SELECT n, timestamptz '2026-01-01Z' + n * interval '1 minute' AS t "
            "FROM generate_series(1, 20000) AS n) AS rows"
        )
        cursor.execute("ANALYZE bookings_booking")
        cursor.execute("ANALYZE bookings_invitee")
    middle = ask("bookings", page_size=1, max_start_time="2026-01-07T00:00:00Z").json()["next"]

    plans = {}
    for name, path in {
        "page": middle.partition("/api/v1/")[2],
        "pull": "bookings?updated_since=2026-01-14T21:00:00Z&ordering=id",
    }.items():
        statements: list[str] = []

        def explain(execute, sql, params, many, context, statements=statements):
            if sql.startswith("SELECT") and 'FROM "bookings_booking"' in sql:
                execute(f"EXPLAIN {sql}", params, many, context)
                statements.append("\n".join(row[0] for row in context["cursor"].fetchall()))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(explain):
            answer = ask(path)
        assert answer.status_code == 200
        plans[name] = statements[0]

    assert "booking_by_start" in plans["page"]
    assert "booking_by_mirrored" in plans["pull"]
    assert "invitee_by_mirrored" in plans["pull"] or "bookings_invitee" in plans["pull"]
    assert all("Seq Scan on bookings_booking" not in plan for plan in plans.values())
