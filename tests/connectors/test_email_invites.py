"""Calendar invitations: judged by icalendar and the standard library's parser, as a participant's calendar reads them."""

from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from bookings.meeting import Person
from bookings.snapshots import Answer
from integrations.connectors.base import Applied, Record, Skip
from integrations.errors import PermanentError, TemporaryError
from tests.connectors.builders import START, canceled, make_meeting, moved
from tests.connectors.harnesses.email import calendar_entries
from tests.connectors.mails import attendees, event_of, mails, parsed, recipients

HOST, INVITEE, GUEST = "hannah@calsync.example", "ida@customer.example", "gus@customer.example"
LINKS = {
    "cancel_url": "https://calendly.example/cancellations/1",
    "reschedule_url": "https://calendly.example/reschedulings/1",
}


def kinds_and_numbers(driver):
    """Who was told what, under which number: `(recipient, method, sequence)`."""
    told = []
    for mail in mails(driver):
        method, event = event_of(mail)
        told.append((mail["rcpt_to"][0], method, event.decoded("sequence")))
    return told


def test_an_invitation_is_what_calendars_read(to_calendars):
    to_calendars.deliver(make_meeting(guests=(GUEST,), **LINKS))

    assert recipients(to_calendars) == [[HOST], [INVITEE], [GUEST]]
    method, event = event_of(mails(to_calendars)[1])
    assert method == "REQUEST"
    assert str(event["uid"]) == "AAAA1111-BBBB-2222@company.example"
    assert event.decoded("sequence") == 0
    assert event.decoded("dtstart") == START
    assert event.decoded("dtend") == START + timedelta(minutes=30)
    assert "DTSTART:20261201T090000Z" in mails(to_calendars)[1]["calendar"].splitlines()
    assert abs(event.decoded("dtstamp") - datetime.now(UTC)) < timedelta(minutes=5)
    assert str(event["status"]) == "CONFIRMED"
    assert str(event["summary"]) == "Product demo"
    assert str(event["location"]) == str(event["url"]) == "https://zoom.example/j/123"
    assert str(event["organizer"]) == "mailto:meetings@company.example"
    assert event["organizer"].params["CN"] == "Company meetings"
    for link in ("https://zoom.example/j/123", *LINKS.values()):
        assert link in str(event["description"])
    people = attendees(event)
    assert list(people) == [HOST, INVITEE, GUEST]
    assert people[HOST]["ROLE"] == "CHAIR"
    assert people[INVITEE]["CN"] == "Ida Invitee"
    assert {params["RSVP"] for params in people.values()} == {"TRUE"}
    assert {params["PARTSTAT"] for params in people.values()} == {"NEEDS-ACTION"}


def test_the_parts_are_in_the_order_that_mail_programs_want(to_calendars):
    to_calendars.deliver()

    message = parsed(mails(to_calendars)[0])
    mixed = list(message.iter_parts())
    alternatives = list(mixed[0].iter_parts())
    calendar, attached = alternatives[-1], mixed[-1]
    assert message.get_content_type() == "multipart/mixed"
    assert [part.get_content_type() for part in alternatives] == [
        "text/plain", "text/html", "text/calendar",
    ]  # fmt: skip
    assert calendar["Content-Type"].params["method"] == "REQUEST"
    assert calendar["Content-Type"].params["charset"] == "utf-8"
    assert attached.get_content_type() == "application/ics"
    assert attached.get_filename() == "invite.ics"
    assert attached.get_content() == calendar.get_payload(decode=True)
    assert b"\r\n" in attached.get_content()
    assert Calendar.from_ical(attached.get_content())["method"] == "REQUEST"


def test_one_name_and_growing_numbers_through_a_meetings_life(to_calendars):
    meeting = make_meeting()
    later = moved(meeting, days=1)
    elsewhere = make_meeting(
        start_at=later.start_at, end_at=later.end_at, join_url="", location_text="Room 4"
    )

    to_calendars.deliver(meeting)
    to_calendars.deliver(later, kind="rescheduled", event_id=2)
    to_calendars.deliver(elsewhere, kind="updated", event_id=3)
    to_calendars.deliver(canceled(elsewhere), kind="canceled", event_id=4)
    quiet = to_calendars.deliver(canceled(elsewhere), kind="canceled", event_id=5)
    to_calendars.deliver(moved(elsewhere, days=2), kind="rescheduled", event_id=6)

    mine = [row for row in kinds_and_numbers(to_calendars) if row[0] == INVITEE]
    assert [row[1:] for row in mine] == [
        ("REQUEST", 0), ("REQUEST", 1), ("REQUEST", 2), ("CANCEL", 3), ("REQUEST", 4),
    ]  # fmt: skip
    assert quiet == Skip(reason="already equal")
    assert len(calendar_entries(to_calendars.server)) == 1
    assert len({mail["message_id"] for mail in mails(to_calendars)}) == len(mails(to_calendars))


def test_a_cancellation_goes_to_all_who_were_invited(to_calendars):
    to_calendars.deliver()

    to_calendars.deliver(canceled(make_meeting(hosts=())), kind="canceled", event_id=2)

    mail = mails(to_calendars)[-1]
    method, event = event_of(mail)
    assert recipients(to_calendars)[2:] == [[HOST], [INVITEE]]
    assert method == "CANCEL"
    assert str(event["status"]) == "CANCELLED"
    assert list(attendees(event)) == [HOST, INVITEE]
    assert 'method="CANCEL"' in mail["raw"] or "method=CANCEL" in mail["raw"]
    assert mail["subject"] == "Canceled: Product demo"


def test_nobody_is_told_of_a_cancellation_who_was_not_invited(to_calendars):
    found = to_calendars.deliver(canceled(make_meeting()), kind="canceled")

    assert found == Skip(reason="Nobody was invited, so there is nothing to cancel.")
    assert mails(to_calendars) == []


@pytest.mark.parametrize("kind", ["no_show", "no_show_removed"])
def test_a_no_show_changes_no_calendar(to_calendars, kind):
    to_calendars.deliver()

    found = to_calendars.deliver(make_meeting(is_no_show=True), kind=kind, event_id=2)

    assert isinstance(found, Skip)
    assert len(mails(to_calendars)) == 2


def test_who_left_is_taken_out_and_who_stays_is_updated(to_calendars):
    to_calendars.deliver(make_meeting(guests=(GUEST,)))
    other = Person(name="Otto Other", email="otto@calsync.example", timezone="UTC")

    to_calendars.deliver(make_meeting(hosts=(other,)), kind="updated", event_id=2)
    again = to_calendars.deliver(make_meeting(hosts=(other,)), kind="updated", event_id=3)

    assert kinds_and_numbers(to_calendars)[3:] == [
        ("otto@calsync.example", "REQUEST", 1), (INVITEE, "REQUEST", 1),
        (HOST, "CANCEL", 1), (GUEST, "CANCEL", 1),
    ]  # fmt: skip
    _, left = event_of(mails(to_calendars)[5])
    assert list(attendees(left)) == [HOST]
    assert mails(to_calendars)[5]["subject"] == "No longer a participant: Product demo"
    assert again == Skip(reason="already equal")


def test_who_comes_back_is_invited_again_under_a_higher_number(to_calendars):
    both, alone = make_meeting(guests=(GUEST,)), make_meeting()

    to_calendars.deliver(both)
    to_calendars.deliver(alone, kind="updated", event_id=2)
    to_calendars.deliver(both, kind="updated", event_id=3)

    mine = [row[1:] for row in kinds_and_numbers(to_calendars) if row[0] == GUEST]
    assert mine == [("REQUEST", 0), ("CANCEL", 1), ("REQUEST", 2)]


def test_two_rules_of_one_connection_tell_a_calendar_once(to_calendars):
    to_calendars.deliver(rule_id=1)

    assert to_calendars.deliver(rule_id=2) == Skip(reason="already equal")


def test_a_lost_answer_never_leaves_two_versions_under_one_number(to_calendars):
    to_calendars.options = {"to": ["invitee"]}
    to_calendars.deliver()
    to_calendars.break_write("drop_after")
    with pytest.raises(TemporaryError):
        to_calendars.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    to_calendars.deliver(
        moved(make_meeting(), days=2), kind="rescheduled", event_id=2, look_first=True
    )

    assert [row[2] for row in kinds_and_numbers(to_calendars)] == [0, 1, 2]
    (entry,) = calendar_entries(to_calendars.server)
    assert entry["start"] == START + timedelta(days=2)


def test_back_at_its_old_time_after_a_lost_answer_the_calendar_is_told_again(to_calendars):
    to_calendars.options = {"to": ["invitee"]}
    to_calendars.deliver()
    to_calendars.break_write("drop_after")
    with pytest.raises(TemporaryError):
        to_calendars.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    to_calendars.deliver(kind="rescheduled", event_id=3)

    (entry,) = calendar_entries(to_calendars.server)
    assert (entry["sequence"], entry["start"]) == (2, START)


def test_a_guest_who_was_perhaps_taken_out_is_invited_again(to_calendars):
    to_calendars.options = {"to": ["guests"]}
    to_calendars.deliver(make_meeting(guests=(GUEST,)))
    to_calendars.break_write("drop_after")
    with pytest.raises(TemporaryError):
        to_calendars.deliver(make_meeting(), kind="updated", event_id=2)

    to_calendars.deliver(make_meeting(guests=(GUEST,)), kind="updated", event_id=3)

    assert kinds_and_numbers(to_calendars) == [
        (GUEST, "REQUEST", 0), (GUEST, "CANCEL", 1), (GUEST, "REQUEST", 2),
    ]  # fmt: skip


def test_a_lost_answer_is_repeated_as_the_same_message(to_calendars):
    to_calendars.options = {"to": ["invitee"]}
    to_calendars.break_write("drop_after")
    with pytest.raises(TemporaryError):
        to_calendars.deliver()

    to_calendars.deliver(look_first=True)

    first, second = mails(to_calendars)
    assert first["message_id"] == second["message_id"]
    assert kinds_and_numbers(to_calendars) == [(INVITEE, "REQUEST", 0)] * 2


def test_who_may_have_been_invited_is_told_of_the_cancellation(to_calendars):
    to_calendars.options = {"to": ["invitee"]}
    to_calendars.break_write("drop_after")
    with pytest.raises(TemporaryError):
        to_calendars.deliver()

    to_calendars.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert kinds_and_numbers(to_calendars)[-1] == (INVITEE, "CANCEL", 1)


def test_an_interrupted_round_goes_on_with_who_was_not_reached(to_calendars):
    to_calendars.break_request("drop_before", match={"method": "DATA", "path_contains": INVITEE})
    with pytest.raises(TemporaryError):
        to_calendars.deliver()

    to_calendars.deliver()

    assert kinds_and_numbers(to_calendars) == [(HOST, "REQUEST", 0), (INVITEE, "REQUEST", 0)]
    assert to_calendars.deliver() == Skip(reason="already equal")


def test_a_refused_participant_is_told_and_the_others_are_invited(to_calendars):
    to_calendars.break_request("error", match={"method": "RCPT", "path_contains": HOST}, status=550)

    with pytest.raises(PermanentError) as caught:
        to_calendars.deliver()
    again = to_calendars.deliver()

    assert HOST in str(caught.value)
    assert isinstance(again, Applied)
    assert recipients(to_calendars) == [[INVITEE], [HOST]]


def test_each_invitee_of_a_group_event_has_an_entry_and_sees_no_other(to_calendars):
    to_calendars.options = {"to": ["invitee", "guests"]}
    to_calendars.deliver()
    to_calendars.memory.kept.clear()

    to_calendars.deliver(
        make_meeting(key="BBBB", email="otto@customer.example", chain_id=2), event_id=2
    )

    first, second = (event_of(mail)[1] for mail in mails(to_calendars))
    assert first["uid"] != second["uid"]
    assert [list(attendees(event)) for event in (first, second)] == [
        [INVITEE], ["otto@customer.example"],
    ]  # fmt: skip


def test_a_dry_run_says_whose_calendars_would_be_told_what(to_calendars):
    task, connector = to_calendars.task(), to_calendars.connector(dry_run=True)

    connector.apply(task, connector.plan(task), remember=print, forget=print)

    shown = [row["request"] for row in to_calendars.recorder.exchanges]
    assert [(row["to"], row["invitation"]) for row in shown] == [
        ([HOST], "REQUEST"), ([INVITEE], "REQUEST"),
    ]  # fmt: skip
    assert mails(to_calendars) == []


def test_another_address_of_the_invitee_is_invited_and_the_old_one_taken_out(to_calendars):
    to_calendars.options = {"to": ["invitee"]}
    to_calendars.deliver()

    to_calendars.deliver(make_meeting(email="ida@new.example"), kind="updated", event_id=2)
    to_calendars.deliver(
        canceled(make_meeting(email="ida@new.example")), kind="canceled", event_id=3
    )

    assert kinds_and_numbers(to_calendars) == [
        (INVITEE, "REQUEST", 0), ("ida@new.example", "REQUEST", 1), (INVITEE, "CANCEL", 1),
        ("ida@new.example", "CANCEL", 2),
    ]  # fmt: skip


def test_each_reads_their_own_clock_and_calendars_the_same_moment_when_clocks_change(to_calendars):
    start = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # Berlin's 02:30, the first of two
    host = Person(name="Hannah Host", email=HOST, timezone="America/New_York")

    to_calendars.deliver(
        make_meeting(start_at=start, end_at=start + timedelta(hours=1), hosts=(host,), timezone="Europe/Berlin")
    )  # fmt: skip

    to_host, to_invitee = mails(to_calendars)
    assert "Saturday, 24 October 2026, 20:30 to 21:30 (America/New_York)" in to_host["text"]
    assert "Sunday, 25 October 2026, 02:30 to 02:30 (Europe/Berlin)" in to_invitee["text"]
    assert {event_of(mail)[1].decoded("dtstart") for mail in (to_host, to_invitee)} == {start}


def test_an_address_that_was_erased_meanwhile_is_not_written_to(to_calendars):
    to_calendars.deliver()
    known = to_calendars.task().record("invite")
    rows = [
        {**row, "email": "[erased]"} if row["email"] == INVITEE else row
        for row in known.data["told"]
    ]
    to_calendars.memory.remember(
        Record(object_type="invite", remote_id=known.remote_id, data={**known.data, "told": rows})
    )

    to_calendars.deliver(make_meeting(email=""), kind="updated", event_id=2)

    assert recipients(to_calendars)[2:] == [[HOST]]


def test_a_meetings_name_in_calendars_outlives_a_change_of_address(to_calendars, settings):
    to_calendars.deliver()
    settings.CALSYNC_PUBLIC_URL = "https://calsync.company.example"

    to_calendars.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    assert len(calendar_entries(to_calendars.server)) == 1


def test_the_installations_host_names_new_meetings(to_calendars, settings):
    settings.CALSYNC_PUBLIC_URL = "https://calsync.company.example"

    to_calendars.deliver()

    (entry,) = calendar_entries(to_calendars.server)
    assert entry["uid"] == "AAAA1111-BBBB-2222@calsync.company.example"


def test_an_invitation_to_an_answers_address_is_optional(to_calendars):
    to_calendars.options = {"to": ["invitee", "answer:Colleague"]}
    answers = (Answer(question="Colleague", answer="cleo@customer.example"),)

    to_calendars.deliver(make_meeting(answers=answers))

    _, event = event_of(mails(to_calendars)[0])
    assert attendees(event)["cleo@customer.example"]["ROLE"] == "OPT-PARTICIPANT"


@pytest.mark.parametrize(
    "name",
    ["Ä; ö, \\ü\"quoted\"", "two\r\nATTENDEE:mailto:evil@x.example", "x" * 500, "会議 🎉", "END:VEVENT\nBEGIN:VEVENT"],
)  # fmt: skip
def test_words_of_strangers_are_one_value_in_the_calendar(to_calendars, name):
    to_calendars.deliver(
        make_meeting(name=name, invitee_name=name, join_url="", location_text=name)
    )

    method, event = event_of(mails(to_calendars)[1])
    raw = mails(to_calendars)[1]["calendar"]
    assert method == "REQUEST"
    assert list(attendees(event)) == [HOST, INVITEE]
    assert str(event["summary"]) == " ".join(name.split())[:200]
    assert all(len(line.encode()) <= 75 for line in raw.splitlines())
    assert raw.splitlines().count("BEGIN:VEVENT") == 1
