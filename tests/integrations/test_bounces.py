"""Bounces: what a mail server says later is found at its delivery, and junk is nothing."""

import io
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from bookings.erasure import digest
from bookings.models import ErasedAddress
from integrations.bounces import Noted, receive
from integrations.connectors.email import bounces
from integrations.connectors.email.message import message_id, person_digest
from integrations.models import Delivery, DeliveryAttempt, RemoteRecord
from tests.factories import (
    NOW,
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    InviteeFactory,
    RemoteRecordFactory,
    RuleFactory,
)

IDA, CHIEF = "ida@customer.example", "chief@company.example"
NAME = message_id(1, 2, 3, domain="company.example")

POSTFIX = """\
From: MAILER-DAEMON@mx.example (Mail Delivery System)
To: meetings@company.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B1"
Message-Id: <4Xyz@mx.example>

--B1
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.

--B1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Fri, 27 Nov 2026 09:00:00 +0000 (UTC)

Final-Recipient: rfc822; {to}
Original-Recipient: rfc822;{to}
Action: {action}
Status: 5.1.1
Remote-MTA: dns; mail.customer.example
Diagnostic-Code: smtp; 550 5.1.1 <{to}>: Recipient address rejected:
    User unknown in local recipient table

--B1
Content-Type: {kind}

From: meetings@company.example
Subject: Confirmed
Message-ID: {name}

--B1--
"""


def bounce(*, to=IDA, action="failed", name=NAME, kind="message/rfc822"):
    return POSTFIX.format(to=to, action=action, name=name, kind=kind).encode()


def sent(*accepted, state="delivered", name=NAME):
    """A delivery whose message was accepted for these addresses."""
    connection = ConnectionFactory.create(provider="email")
    event = BookingEventFactory.create(invitee=InviteeFactory.create(email=IDA))
    delivery = DeliveryFactory.create(
        event=event,
        rule=RuleFactory.create(connection=connection),
        **({state: True} if state else {}),
    )
    RemoteRecordFactory.create(
        connection=connection, chain=delivery.chain, object_type="mail", remote_id=name, key=name[1:45], url="",
        data={"delivery": delivery.pk, "accepted": sorted(map(person_digest, accepted or (IDA,)))},
    )  # fmt: skip
    return delivery


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
def test_a_bounce_is_read_with_the_servers_words(kind):
    found = bounces.read(bounce(kind=kind))

    assert found
    assert found.message_id == NAME
    (failed,) = found.failed
    assert failed.emails == (IDA,)
    assert failed.words.startswith(f"550 5.1.1 <{IDA}>: Recipient address rejected: User unknown")


def test_a_bounce_without_a_copy_is_found_by_what_it_answers():
    raw = bounce(name="").replace(
        b"Message-Id: <4Xyz", f"In-Reply-To: {NAME}\nMessage-Id: <4Xyz".encode()
    )

    found = bounces.read(raw)

    assert found
    assert found.message_id == NAME


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\0\xff" * 500, b"hello", b"Subject: out of office\n\nI am away.", bounce(name="<other@x.example>"),
        bounce(name="<calsync.1@x>"), b"Content-Type: multipart/report; boundary=B\n\n--B\n" * 50,
        bounce().replace(b"Final-Recipient", b"X-Final"), bounce().replace(b"us-ascii", b"no-such-charset")[:400],
        b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" + b"Content-Type: message/rfc822\n\n" * 3_000,
    ],
)  # fmt: skip
def test_what_is_no_bounce_of_ours_is_nothing(raw):
    assert bounces.read(raw) is None


@given(st.binary(max_size=400), st.integers(min_value=0, max_value=1_300))
def test_no_bytes_crash_the_reader(junk, place):
    whole = bounce()

    bounces.read(junk)
    bounces.read(whole[:place] + junk + whole[place:])
    bounces.read(whole[:place])


@pytest.mark.django_db
def test_a_delivery_that_bounced_is_shown_as_failed_with_what_to_do():
    delivery = sent()

    noted = receive(bounce(), now=NOW)

    delivery.refresh_from_db()
    last = delivery.attempts.get()
    assert noted == Noted.FAILED
    assert delivery.state == Delivery.State.FAILED
    assert IDA in delivery.error
    assert "User unknown" in delivery.error
    assert "Retry" in delivery.hint
    assert (last.number, last.outcome) == (2, DeliveryAttempt.Outcome.FAILED)
    assert last.steps[0]["name"] == "bounced"


@pytest.mark.django_db
def test_the_same_bounce_twice_is_noted_once():
    delivery = sent()

    first, second = receive(bounce(), now=NOW), receive(bounce(), now=NOW + timedelta(hours=1))

    assert (first, second) == (Noted.FAILED, Noted.KNOWN)
    assert delivery.attempts.count() == 1


@pytest.mark.django_db
def test_a_retry_mails_who_never_got_it_and_nobody_else():
    delivery = sent(IDA, CHIEF)
    RemoteRecordFactory.create(
        connection=delivery.connection, chain=delivery.chain, object_type="invite", remote_id="uid", url="",
        data={"sequence": 1, "told": [{"email": "Ida@Customer.example", "hash": "h"}, {"email": CHIEF, "hash": "h"}]},
    )  # fmt: skip

    receive(bounce(), now=NOW)

    mail, invite = (RemoteRecord.objects.get(object_type=kind) for kind in ("mail", "invite"))
    assert mail.data["accepted"] == [person_digest(CHIEF)]
    assert [row["hash"] for row in invite.data["told"]] == ["", "h"]


@pytest.mark.django_db
def test_a_forwarded_message_that_failed_elsewhere_is_sent_again_to_its_one_recipient():
    sent(IDA)

    receive(bounce(to="ida.private@elsewhere.example"), now=NOW)

    assert RemoteRecord.objects.get().data["accepted"] == []


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", "nonsense"])
def test_a_delay_is_no_failure(action):
    delivery = sent()

    noted = receive(bounce(action=action), now=NOW)

    delivery.refresh_from_db()
    assert noted == Noted.HARMLESS
    assert delivery.state == Delivery.State.DELIVERED


@pytest.mark.django_db
@pytest.mark.parametrize("lost", ["record", "delivery", "provider", "data"])
def test_a_bounce_of_what_is_not_known_says_so(lost):
    delivery = sent()
    match lost:
        case "record":
            RemoteRecord.objects.all().delete()
        case "delivery":
            Delivery.objects.all().delete()
        case "provider":
            type(delivery.connection).objects.update(provider="slack")
        case "data":
            RemoteRecord.objects.update(data={"delivery": "1 OR 1=1"})

    assert receive(bounce(), now=NOW) == Noted.UNKNOWN


@pytest.mark.django_db
def test_a_delivery_that_is_still_under_way_is_left_to_its_worker():
    delivery = sent(state="")

    noted = receive(bounce(), now=NOW)

    delivery.refresh_from_db()
    assert noted == Noted.BUSY
    assert delivery.state == Delivery.State.WAITING
    assert not delivery.attempts.exists()


@pytest.mark.django_db
def test_a_bounce_brings_back_nothing_of_who_was_erased():
    delivery = sent()
    ErasedAddress.objects.create(digest=digest(IDA), erased_at=NOW)

    receive(bounce(), now=NOW)

    delivery.refresh_from_db()
    assert IDA not in delivery.error + str(delivery.attempts.get().steps)
    assert "not delivered" in delivery.error


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        (bounce(), 0, "shown as failed"),
        (bounce(action="delayed"), 0, "Nothing to note"),
        (b"junk", 65, "no bounce of a message of ours"),
        (bounce(name=message_id("other", domain="x.example")), 65, "No delivery is known"),
    ],
)  # fmt: skip
def test_the_command_speaks_to_a_mail_servers_pipe(monkeypatch, capsys, raw, code, words):
    sent()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))

    try:
        call_command("email_bounce")
        left = 0
    except SystemExit as ended:
        left = int(ended.code or 0)

    shown = capsys.readouterr()
    assert left == code
    assert words in shown.out + shown.err
