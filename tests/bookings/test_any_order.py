"""Any order and any repetition of a history's webhooks ends in the same mirror and the same events."""

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from bookings.meeting import load_meeting
from bookings.models import Booking, BookingEvent, Invitee, RefetchRequest
from bookings.reconcile import reconcile
from tests.bookings.histories import Account, origin

pytestmark = pytest.mark.django_db

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["book", "join", "reschedule", "reschedule", "cancel", "mark", "unmark"]),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=9,
)


def play(steps):
    account, told = Account(), []
    for step, which in steps:
        told += _step(account, step, which)
    return account, told


def _step(account, step, which):
    active = [i for i in account.invitees.values() if i.status == "active"]
    if step == "book" or not active:
        return account.book(into="group" if which % 3 == 0 else "")
    invitee = active[which % len(active)]
    if step == "join":
        return account.book(into=invitee.booking_uri, email="bo@example.com")
    if step == "mark" and not invitee.no_show:
        return account.mark_no_show(invitee.uri)
    if step == "unmark" and invitee.no_show:
        return account.unmark_no_show(invitee.uri)
    if step in {"reschedule", "cancel"}:
        return getattr(account, step)(invitee.uri)
    return []


def mirror_after(snapshots):
    """Return all that a reader of the mirror can see, after these snapshots in this order."""
    with transaction.atomic():
        for snapshot in snapshots:
            reconcile(snapshot, origin=origin())
        seen = what_is_seen()
        transaction.set_rollback(True)
    return seen


def what_is_seen():
    """Return the mirror as its readers see it now."""
    return (_bookings(), _invitees(), _meetings(), _events(), _waiting())


def _bookings():
    fields = ("uri", "status", "start_at", "invitees_active", "invitees_total", "source_updated_at")
    return sorted(Booking.objects.values_list(*fields))


def _invitees():
    fields = ("uri", "chain__uri", "status", "no_show_uri", "cancel_reason", "new_invitee_uri")
    return sorted(Invitee.objects.values_list(*fields))


def _meetings():
    chains = Invitee.objects.order_by("chain").values_list("chain", flat=True).distinct()
    meetings = [load_meeting(chain) for chain in chains if chain]
    return sorted(
        (m.key, m.start_at, m.is_canceled, m.is_no_show, m.reschedule_count) for m in meetings
    )


def _events():
    """Return the events that must not depend on the order; an undone no-show may pass unseen."""
    rows = BookingEvent.objects.filter(kind__in=["booked", "rescheduled", "canceled", "updated"])
    return sorted(rows.values_list("kind", "invitee__uri", "chain__uri"))


def _waiting():
    return sorted(RefetchRequest.objects.values_list("reason", "subject_uri"))


@given(steps=STEPS, data=st.data())
def test_any_order_and_repetition_ends_in_the_same_mirror(steps, data):
    _, told = play(steps)
    repeats = data.draw(st.lists(st.sampled_from(told), max_size=4))
    shuffled = data.draw(st.permutations(told + repeats))

    assert mirror_after(shuffled) == mirror_after(told)


@given(steps=STEPS, data=st.data())
def test_what_webhooks_missed_is_healed_by_reading_every_booking_again(steps, data):
    account, told = play(steps)
    heard = data.draw(st.lists(st.sampled_from(told), unique_by=id))
    read = [account.fetch(uri) for uri in data.draw(st.permutations(list(account.bookings)))]

    assert mirror_after(heard + read)[:4] == mirror_after(told + read)[:4]
