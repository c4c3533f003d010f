"""What the mirror must not take in again, and how a person is recognised in a text."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bookings.erasure import (
    digest,
    erased_before,
    forget_erased,
    forget_erased_submissions,
    without_erased,
)
from bookings.models import ErasedAddress
from bookings.personal import ERASED, Wording, addresses_in
from bookings.snapshots import (
    Answer,
    Cancellation,
    HostSnapshot,
    Location,
    NoShow,
    NoShowSnapshot,
    RoutingSubmissionSnapshot,
)
from tests.bookings.histories import API, BASE, Account

ANN = "ann@example.com"
LATER = BASE + timedelta(hours=1)


def bury(email=ANN, at=LATER):
    return ErasedAddress.objects.create(digest=digest(email), erased_at=at)


def told(**invitee):
    """Return a meeting of Ann's whose every part names her."""
    (meeting,) = Account().book()
    booking = replace(
        meeting.booking, name="Ann Lee and Hanna Host", guests=("Ann@Example.com", "bob@example.com"),
        location=Location(type="custom", text="At Ann Lee's, ask ann@example.com"),
        cancellation=Cancellation(canceled_by="Ann Lee", reason="Ann is ill"),
        raw={"event_guests": [{"email": ANN}, {"email": "bob@example.com"}], "name": "Ann Lee and Hanna Host"},
    )  # fmt: skip
    person = replace(
        meeting.invitees[0], first_name="Ann", last_name="Lee", text_reminder_number="+1 555",
        answers=(Answer(question="Who?", answer="I, Ann"),), tracking={"utm_term": ANN},
        cancel_url="https://calendly.com/c/1", reschedule_url="https://calendly.com/r/1",
        new_invitee_uri=f"{API}/scheduled_events/E9/invitees/I9", no_show=NoShow(uri="n"),
        cancellation=Cancellation(canceled_by="Ann Lee", reason="ill", canceler_type="invitee"),
        raw={"email": ANN}, **invitee,
    )  # fmt: skip
    return replace(meeting, booking=booking, invitees=(person,))


@pytest.mark.parametrize("spelling", ["ann@example.com", " Ann@Example.COM ", "ANN@EXAMPLE.COM"])
def test_one_address_has_one_digest(spelling):
    assert digest(spelling) == digest(ANN)
    assert ANN not in digest(ANN)


def test_the_digest_is_not_the_bare_hash_of_the_address():
    from hashlib import sha256

    assert digest(ANN) != sha256(ANN.encode()).hexdigest()


@pytest.mark.django_db
def test_many_addresses_are_asked_about_in_one_query(django_assert_num_queries):
    bury()

    with django_assert_num_queries(1):
        found = erased_before([ANN, "bob@example.com", "", "  "])

    assert found == {digest(ANN): LATER}


def test_nothing_is_asked_where_there_is_no_address():
    assert erased_before(["", " "]) == {}
    assert forget_erased([]) == []


@pytest.mark.django_db
def test_a_page_of_meetings_costs_one_query(django_assert_num_queries):
    bury()
    account = Account()
    page = [account.book(email=f"guest{n}@example.com")[0] for n in range(40)]

    with django_assert_num_queries(1):
        assert forget_erased(page) == page


@pytest.mark.django_db
def test_an_erased_invitee_keeps_state_times_and_links_and_nothing_else():
    bury()
    before = told()

    meeting = without_erased(before)

    (person,) = meeting.invitees
    whole = before.invitees[0]
    assert person == replace(
        whole, email="", name="", first_name="", last_name="", text_reminder_number="", answers=(), tracking={},
        cancel_url="", reschedule_url="", raw={}, cancellation=Cancellation(canceler_type="invitee"), forgotten=True,
    )  # fmt: skip
    assert (person.new_invitee_uri, person.no_show) == (whole.new_invitee_uri, whole.no_show)


@pytest.mark.django_db
def test_the_booking_keeps_everything_but_the_person():
    bury()

    booking = without_erased(told()).booking

    assert booking is not None
    assert booking.name == f"{ERASED} and Hanna Host"
    assert booking.guests == ("bob@example.com",)
    assert booking.location.text == f"At {ERASED}'s, ask {ERASED}"
    assert booking.cancellation == Cancellation()
    assert booking.raw == {}
    assert "Ann" not in str(booking)
    assert booking.hosts[0].name == "Hanna Host"


@pytest.mark.django_db
def test_the_booking_of_others_loses_the_address_alone():
    bury("carl@example.com")
    meeting = told()
    assert meeting.booking
    raw = {"event_guests": [{"email": "Carl@example.com"}, {"email": ANN}]}
    with_carl = replace(meeting.booking, guests=(ANN, "Carl@example.com"), raw=raw)

    after = without_erased(replace(meeting, booking=with_carl))

    assert after.invitees == meeting.invitees
    assert after.booking == replace(
        with_carl, guests=(ANN,), raw={"event_guests": [{"email": ERASED}, {"email": ANN}]}
    )


@pytest.mark.django_db
def test_a_telephone_number_that_the_invitee_gave_as_the_place_goes():
    bury()
    meeting = told()
    assert meeting.booking
    called = replace(meeting.booking, location=Location(type="outbound_call", text="+1 555 0100"))

    booking = without_erased(replace(meeting, booking=called)).booking

    assert booking is not None
    assert (booking.location.text, booking.raw) == ("", {})


@pytest.mark.django_db
def test_what_was_made_after_the_erasure_is_left_as_it_is():
    bury(at=BASE)
    meeting = told()

    assert without_erased(meeting) == meeting


@pytest.mark.django_db
@pytest.mark.parametrize(
    "email", ["joann@example.com", "a+ann@example.com", "ann@example.com.au", "ann@example.co", "ann+x@example.com"]
)  # fmt: skip
def test_somebody_with_a_similar_address_is_left_as_they_are(email):
    bury()
    (meeting,) = Account().book(email=email)
    meeting = replace(
        meeting, invitees=(replace(meeting.invitees[0], raw={"email": email, "text": f"<{email}>"}),)
    )  # fmt: skip

    assert without_erased(meeting) == meeting


@pytest.mark.django_db
def test_an_erased_person_that_another_invitee_names_is_taken_out_of_the_answer():
    bury()
    (meeting,) = Account().book(email="bob@example.com")
    answers = (Answer(question="Who sent you?", answer=f"Ann <{ANN}>"),)
    meeting = replace(meeting, invitees=(replace(meeting.invitees[0], answers=answers),))

    (bob,) = without_erased(meeting).invitees

    assert bob.email == "bob@example.com"
    assert bob.answers[0].answer == f"Ann <{ERASED}>"


@pytest.mark.django_db
def test_a_host_is_left_in_place_without_the_name_that_was_erased():
    bury("hanna@calsync.example")
    (meeting,) = Account().book()
    assert meeting.booking
    by_address = HostSnapshot(uri="mailto:hanna@calsync.example", email="hanna@calsync.example")
    hosts = (*meeting.booking.hosts, by_address)
    meeting = replace(meeting, booking=replace(meeting.booking, hosts=hosts))

    booking = without_erased(meeting).booking

    assert booking is not None
    assert booking.hosts == (HostSnapshot(uri=f"{API}/users/U1", forgotten=True),)


@pytest.mark.django_db
def test_a_routing_form_that_names_the_person_is_emptied():
    bury()
    theirs = RoutingSubmissionSnapshot(
        uri="s1", routing_form_uri="f", created_at=BASE, updated_at=BASE, result_type="external_url",
        result_value=f"https://example.com/?email={ANN}", tracking={"utm_source": "x"},
        answers=(Answer(question="E-mail", answer="Ann@example.com"),), raw={"a": 1},
    )  # fmt: skip
    others = replace(theirs, uri="s2", answers=(), result_value="", raw={})

    emptied, left = forget_erased_submissions([theirs, others])

    assert emptied == replace(theirs, answers=(), tracking={}, result_value="", raw={})
    assert left == others
    assert without_erased(theirs) == emptied


def test_a_bare_no_show_names_nobody():
    bare = NoShowSnapshot(invitee_uri="i", booking_uri="b", no_show=None, observed_at=BASE)

    assert without_erased(bare) is bare


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com", "Ann@EXAMPLE.com.", "<mailto:ann@example.com|x>", "'ann@example.com'",
        r'{"email": "ann\u0040example.com"}', r'{"a": "{\"b\": \"\\u0061nn@example.com\"}"}', r"hello\nann@example.com",
        "https://x.example/?q=WHERE+Email+%3D+%27ann%40example.com%27", "https://x.example/?q=FIND+ann%40example.com",
    ],
)  # fmt: skip
def test_an_address_is_recognised_in_any_spelling(text):
    wording = Wording(frozenset({ANN}))

    assert wording.is_in(text)
    assert not wording.is_in(wording.scrub(text))
    assert ERASED in wording.scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "joann@example.com", "jo.ann@example.com", "jo+ann@example.com", "ann@example.com.au", "ann@example.community",
        "o'ann@example.com", "https://x.example/?email=jo%2Bann%40example.com", "ann at example.com",
    ],
)  # fmt: skip
def test_another_address_is_not_taken_for_it(text):
    wording = Wording(frozenset({ANN}))

    assert not wording.is_in(text)
    assert wording.scrub(text) == text


def test_a_name_is_recognised_as_whole_words():
    wording = Wording(frozenset({ANN}), frozenset({"Ann Lee", "Ann"}))

    assert wording.scrub("Meet ann  LEE, not Anna Leeds") == f"Meet {ERASED}, not Anna Leeds"
    assert wording.scrub({"Ann Lee": ["x", 1, None]}) == {ERASED: ["x", 1, None]}


def test_a_url_keeps_its_address_where_only_its_query_names_the_person():
    wording = Wording(frozenset({ANN}))

    scrubbed = wording.scrub("https://x.example/query?q=ann%40example.com")

    assert scrubbed == f"https://x.example/query?{ERASED}"


def test_addresses_are_found_wherever_they_are():
    value = {
        "a": ["Ann <Ann@Example.com>, 'o'neil@example.ie'."],
        "b": "https://x.example/?e=bob%40example.com",
    }

    assert set(addresses_in(value)) == {ANN, "o'neil@example.ie", "bob@example.com"}


@pytest.mark.parametrize(
    "address", [ANN, "müller@exämple.de", "o'neil+x@example.com", "用户@例え.jp"]
)
def test_every_stored_spelling_holds_the_anchors(address):
    import json
    from urllib.parse import quote

    ((*anchors,),) = Wording(frozenset({address})).anchors

    for stored in (
        address,
        json.dumps(address),
        quote(address, safe=""),
        quote(address, safe="'"),
        json.dumps(address, ensure_ascii=False),
        json.dumps(address).replace("@", r"\u0040"),
    ):
        assert all(anchor in stored for anchor in anchors)
