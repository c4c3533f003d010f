"""A question to a person: asked once, answered once, remembered, and never lost between two of them."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection as database
from django.db import connections, transaction

from integrations import erasure, outbox, reviews, tasks
from integrations.connectors.base import Choice, Record
from integrations.deliver import deliver
from integrations.errors import Candidate, PermanentError, ReviewError
from integrations.models import Delivery, DeliveryAttempt, MatchReview
from tests.factories import NOW, BookingEventFactory, DeliveryFactory, InviteeFactory
from tests.integrations.leftovers import leftovers
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
ONE = Candidate(object_type="Contact", remote_id="003A", label="Ann Lee", detail="Northwind", url="https://x.example/003A")  # fmt: skip
TWO = replace(ONE, remote_id="003B", detail="Acme")
State, Verdict = MatchReview.State, MatchReview.Verdict
LATER = NOW + timedelta(minutes=1)


def question(*candidates, why="2 records fit."):
    steps = [{"name": "contact", "detail": why}]
    return ReviewError(why, candidates=candidates or (ONE, TWO), hint="Choose.", steps=steps)


def planned(rule, *, email=ANN, chain=None):
    """Return a waiting delivery of a person's meeting."""
    invitee = chain or InviteeFactory.create(email=email, name="Ann Lee")
    event = BookingEventFactory.create(invitee=invitee, kind="updated" if chain else "booked")
    with transaction.atomic():
        outbox.add([(event, rule)], now=NOW)
    return Delivery.objects.get(event=event)


def choice_for(delivery):
    """Return what a person answered about the delivery's invitee."""
    return reviews.choices(delivery.connection_id, [delivery]).get(delivery.serial_key)


def send(delivery, *, now=NOW):
    state = deliver(delivery.pk, clock=lambda: now)
    delivery.refresh_from_db()
    return state


def asked(rule, *candidates, **more):
    """Return a delivery that waits for an answer, and its review."""
    delivery = planned(rule, **more)
    ScriptedConnector.plays(question(*candidates))
    send(delivery)
    return delivery, MatchReview.objects.get(serial_key=delivery.serial_key, state="open")


def answer(review, verdict="use", candidate=ONE, *, seen=None, by="olivia", now=LATER):
    return reviews.answer(review, verdict=verdict, candidate=candidate, seen=seen, by=by, now=now)


def _chosen(delivery):
    choice = choice_for(delivery)
    return choice and choice.record and choice.record.remote_id


def test_a_question_fails_the_delivery_and_opens_a_review(rule):
    delivery, review = asked(rule)

    assert (delivery.state, delivery.failure_class) == ("failed", "review")
    assert (delivery.error, delivery.hint) == ("2 records fit.", "Choose.")
    assert review.chain_id == delivery.chain_id
    assert [candidate["remote_id"] for candidate in review.candidates] == ["003A", "003B"]
    attempt = DeliveryAttempt.objects.get()
    assert attempt.steps == [{"name": "contact", "detail": "2 records fit."}]
    assert reviews.review_of(delivery) == review
    assert reviews.open_count() == 1


def test_a_question_is_no_failure_of_the_connection(rule, target):
    asked(rule)

    target.refresh_from_db()
    assert (target.state, target.consecutive_failures) == ("healthy", 0)
    assert target.last_success_at is not None


def test_the_same_person_is_asked_about_once_and_the_question_stays_true(rule):
    _, review = asked(rule)
    third = replace(ONE, remote_id="003C")

    other, same = asked(rule, ONE, third)

    assert same.pk == review.pk
    assert same.chain_id == other.chain_id
    assert [candidate["remote_id"] for candidate in same.candidates] == ["003A", "003C"]
    assert reviews.waiting_for(same).count() == 2
    asked(rule, email="bob@example.com")
    assert reviews.open_count() == 2


def test_an_answer_sends_everything_that_waits_and_is_known_to_the_next_meeting(rule):
    first, review = asked(rule)
    second, _ = asked(rule)
    strange, _ = asked(rule, email="bob@example.com")

    assert answer(review) == 2

    for delivery in (first, second):
        assert send(delivery, now=LATER) == "delivered"
    strange.refresh_from_db()
    assert strange.state == "failed"
    record = Record(object_type="Contact", remote_id="003A", url="https://x.example/003A")
    assert choice_for(planned(rule)) == Choice(verdict="use", record=record, review_id=review.pk)
    assert choice_for(planned(rule, email="bob@example.com")) is None


@pytest.mark.parametrize(("verdict", "refused"), [("create", ("003A", "003B")), ("nobody", ())])
def test_an_answer_without_a_record_names_none(rule, verdict, refused):
    _, review = asked(rule)

    answer(review, verdict)

    assert choice_for(planned(rule)) == Choice(
        verdict=verdict, refused=refused, review_id=review.pk
    )


def test_of_two_answers_the_first_holds_and_the_second_is_told(rule):
    _, review = asked(rule)

    assert answer(review, candidate=ONE, by="olivia") == 1
    assert answer(review, candidate=TWO, by="oscar") is None

    review.refresh_from_db()
    assert (review.remote_id, review.decided_by) == ("003A", "olivia")


def test_another_answer_also_moves_what_the_former_wrote(rule):
    delivery, review = asked(rule)
    answer(review)
    send(delivery, now=LATER)
    later = planned(rule, chain=delivery.chain)
    send(later, now=LATER)
    review.refresh_from_db()

    count = answer(review, candidate=TWO, seen=review.decided_at, now=LATER + timedelta(hours=1))

    delivery.refresh_from_db()
    later.refresh_from_db()
    assert count == 1
    assert (delivery.state, later.state) == ("delivered", "waiting")
    assert _chosen(later) == "003B"


def test_a_forgotten_answer_is_asked_for_again(rule):
    _, review = asked(rule)
    answer(review)
    review.refresh_from_db()

    assert reviews.forget(review, seen=review.decided_at, by="olivia", now=LATER)
    assert not reviews.forget(review, seen=review.decided_at, by="oscar", now=LATER)

    assert choice_for(planned(rule)) is None
    _, again = asked(rule)
    assert again.pk != review.pk


def test_an_answer_that_led_to_the_question_holds_no_longer(rule):
    delivery, review = asked(rule)
    answer(review)
    ScriptedConnector.plays(question(TWO, why="The Contact that a person chose is gone."))

    assert send(delivery, now=LATER) == "failed"

    review.refresh_from_db()
    assert (review.state, review.verdict, review.remote_id) == ("withdrawn", "", "")
    again = MatchReview.objects.get(state="open")
    assert again.question == "The Contact that a person chose is gone."
    assert answer(again, candidate=TWO) == 1
    assert _chosen(planned(rule)) == "003B"


class Meanwhile(list[BaseException | None]):
    """A script whose only entry has a person answer while the attempt is under way, and then ends it."""

    def __init__(self, ending, act):
        super().__init__([ending])
        self.act = act

    def pop(self, index=-1):
        self.act()
        return super().pop(index)


def plays_meanwhile(ending, act):
    ScriptedConnector.plays()
    ScriptedConnector.script = Meanwhile(ending, act)


def test_an_answer_given_while_it_was_being_sent_is_not_lost(rule):
    _, review = asked(rule)
    late = planned(rule)
    plays_meanwhile(question(), lambda: answer(review))

    assert send(late, now=LATER) == "waiting"

    review.refresh_from_db()
    assert (review.state, review.remote_id) == ("answered", "003A")
    assert not MatchReview.objects.filter(state="open").exists()
    assert send(late, now=LATER) == "delivered"


def test_what_was_written_by_an_answer_that_changed_meanwhile_is_written_again(rule):
    delivery, review = asked(rule)
    answer(review)
    review.refresh_from_db()
    plays_meanwhile(None, lambda: answer(review, candidate=TWO, seen=review.decided_at, now=LATER))

    assert send(delivery, now=LATER) == "waiting"
    assert _chosen(delivery) == "003B"


def test_what_was_written_by_an_answer_that_was_taken_back_meanwhile_stays(rule):
    delivery, review = asked(rule)
    answer(review)
    review.refresh_from_db()
    plays_meanwhile(
        None, lambda: reviews.forget(review, seen=review.decided_at, by="olivia", now=LATER)
    )

    assert send(delivery, now=LATER) == "delivered"


def test_a_review_for_which_nothing_waits_is_withdrawn_by_the_sweep(rule):
    retried, repaired = asked(rule)[0], asked(rule, email="bob@example.com")[0]
    asked(rule, email="cleo@example.com")
    gone, _ = asked(rule, email="dan@example.com")
    ScriptedConnector.plays()
    outbox.retry(Delivery.objects.filter(pk=retried.pk), now=LATER, by="olivia")
    tasks.sweep()
    assert reviews.open_count() == 4
    send(retried, now=LATER)
    send(planned(rule, chain=repaired.chain), now=LATER)
    Delivery.objects.filter(pk=gone.pk).delete()

    tasks.sweep()

    left = MatchReview.objects.filter(state="open")
    assert [review.chain.email for review in left] == ["cleo@example.com"]


def test_looking_again_needs_no_answer(rule):
    delivery, review = asked(rule)

    assert reviews.look_again(review, by="olivia", now=LATER) == 1

    ScriptedConnector.plays()
    assert send(delivery, now=LATER) == "delivered"


def test_an_ordinary_refusal_asks_nobody(rule):
    delivery = planned(rule)
    ScriptedConnector.plays(PermanentError("No."))

    send(delivery)

    assert delivery.failure_class == "permanent"
    assert not MatchReview.objects.exists()


def test_who_is_erased_is_no_longer_asked_about_and_no_answer_knows_them_again(rule):
    asked(rule)
    other = DeliveryFactory.create(event__invitee__email=ANN, rule=rule, delivered=True)
    answered = MatchReview.objects.create(
        connection=rule.connection, chain=other.chain, serial_key=outbox.person_key(ANN) , state="answered", verdict="use", question="?",
        object_type="Contact", remote_id="003A", candidates=[], created_at=NOW, decided_at=NOW,
    )  # fmt: skip
    bob = InviteeFactory.create(email="bob@example.com", name="Bob Ray")
    bobs, bob_review = asked(rule, replace(ONE, label="Bob Ray", detail=f"was {ANN}"), chain=bob)
    asking = NOW + timedelta(days=1)
    assert erasure.preview(ANN, now=asking)["match_reviews"] == 2

    request = erasure.request(ANN, requested_by="olivia", now=asking)
    assert erasure.carry_out(request, now=asking)

    assert leftovers(ANN, "Ann Lee") == []
    assert not MatchReview.objects.filter(pk=answered.pk).exists()
    assert request.found["match_reviews"] == 2
    assert MatchReview.objects.get().pk == bob_review.pk
    bobs.refresh_from_db()
    assert bobs.failure_class == "review"
    assert choice_for(planned(rule)) is None


def test_what_an_erased_person_books_afterwards_keeps_its_question(rule):
    request = erasure.request(ANN, requested_by="olivia", now=NOW - timedelta(days=1))
    invitee = InviteeFactory.create(email=ANN, name="Ann Lee", created_at=NOW)
    _, review = asked(rule, chain=invitee)

    assert erasure.carry_out(request, now=LATER)

    assert MatchReview.objects.get() == review


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_settling_of_a_question_and_its_answer_wait_for_each_other(rule):
    """The row's lock decides who comes first; whichever it is, the delivery is sent."""
    _, review = asked(rule)
    late = planned(rule)
    assert outbox.claim(late.pk, now=NOW)
    counted: list[int | None] = []

    def other():
        counted.append(answer(review))
        connections.close_all()

    with transaction.atomic():
        assert reviews.ask(late, question(), choice=None, now=NOW) == review
        thread = threading.Thread(target=other)
        thread.start()
        _wait_for_lock()
        settled = {"state": "failed", "failure_class": "review", "lease_expires_at": None}
        Delivery.objects.filter(pk=late.pk).update(**settled)
    thread.join()

    assert counted == [2]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"waiting"}


def _wait_for_lock():
    """Wait until another session waits for one of our rows."""
    waiting = 0
    while not waiting:
        with database.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            waiting = cursor.fetchone()[0]
