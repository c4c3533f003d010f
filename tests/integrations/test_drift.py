"""Our own writes read back: compared in batches, reported or written again, and resumable."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

import pytest

from integrations import drift
from integrations.connectors.base import Difference
from integrations.errors import ConfigurationError, TemporaryError, ThrottledError
from integrations.models import Connection, Delivery, DriftFinding, DriftRun, RemoteRecord
from tests.factories import NOW, ConnectionFactory, DeliveryFactory, RuleFactory
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=1)


class ComparingConnector(ScriptedConnector):
    """Hold what stands over there in `there`: `{remote_id: {field: value}}`; what is missing is gone."""

    batch_size: ClassVar[int] = 3
    compares: ClassVar[bool] = True
    actions: ClassVar[dict[str, str]] = {"write": "Write", "once": "Write once"}
    passing_actions: ClassVar[frozenset[str]] = frozenset({"once"})
    policy: ClassVar[str] = "report"
    there: ClassVar[dict[str, dict[str, str]]] = {}
    asked: ClassVar[list[list[str]]] = []
    answers: ClassVar[list[BaseException | None]] = []
    meanwhile: ClassVar[Callable[[], object]] = staticmethod(lambda: None)

    @property
    def drift_policy(self):
        return self.policy

    def read_back(self, records):
        self.asked.append([record.remote_id for record in records])
        type(self).meanwhile()
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return [found for record in records if (found := self._compare(record))]

    def _compare(self, record):
        there = self.there.get(record.remote_id)
        if there is None:
            return Difference(record=record, gone=True)
        kept = record.data["kept"]
        fields = {name: (kept[name], there[name]) for name in kept if kept[name] != there[name]}
        return Difference(record=record, fields=fields) if fields else None


@pytest.fixture(autouse=True)
def _comparing(settings):
    settings.CONNECTORS = {**settings.CONNECTORS, "comparing": f"{__name__}.ComparingConnector"}
    ComparingConnector.plays()
    ComparingConnector.policy, ComparingConnector.meanwhile = "report", lambda: None
    ComparingConnector.there, ComparingConnector.asked, ComparingConnector.answers = {}, [], []


@pytest.fixture
def target(db):
    return ConnectionFactory.create(provider="comparing", name="Target")


def written(rule, number, *, subject="Ours", there="Ours"):
    """A delivered meeting whose record holds `subject`, and `there` over there; None is gone."""
    delivery = DeliveryFactory.create(rule=rule, delivered=True)
    RemoteRecord.objects.create(
        connection=rule.connection, chain=delivery.chain, object_type="Event", remote_id=f"E{number}",
        content_hash="written", url=f"https://t.example/E{number}", data={"kept": {"Subject": subject}},
    )  # fmt: skip
    if there is not None:
        ComparingConnector.there[f"E{number}"] = {"Subject": there}
    return delivery


def compare(target, *, at=LATER):
    run = drift.start(target, now=NOW)
    woken = drift.drain(target.pk, until=at + timedelta(minutes=1), clock=lambda: at)
    run.refresh_from_db()
    return run, woken


def test_what_is_as_we_wrote_it_is_no_finding(target, rule):
    written(rule, 1)

    run, _ = compare(target)

    assert (run.state, run.compared, run.differing, run.missing) == ("done", 1, 0, 0)
    assert run.finished_at == LATER


def test_a_difference_is_told_by_field_and_what_is_gone_as_gone(target, rule):
    written(rule, 1, there="Theirs")
    written(rule, 2, there=None)

    run, woken = compare(target)

    changed, gone = run.findings.all()
    assert (changed.fields, changed.gone) == ({"Subject": ["Ours", "Theirs"]}, False)
    assert (gone.fields, gone.gone) == ({}, True)
    assert (run.differing, run.missing, woken) == (1, 1, False)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_records_are_read_in_batches_and_only_where_something_is_kept_true(target, rule):
    for number in range(7):
        written(rule, number)
    RemoteRecord.objects.filter(remote_id="E3").update(data={})

    compare(target)

    assert ComparingConnector.asked == [["E0", "E1", "E2"], ["E4", "E5", "E6"]]


def share(first, *, with_number):
    """Let another meeting's record be the same one over there, as two meetings of one person share the person."""
    RemoteRecord.objects.filter(remote_id=f"E{with_number}").update(remote_id="E1")
    return RemoteRecord.objects.filter(remote_id="E1").exclude(chain=first.chain)


def test_what_several_meetings_wrote_is_held_to_the_one_that_wrote_last(target, rule):
    first = written(rule, 1, subject="First", there="Second")
    written(rule, 2, subject="Second")
    later = share(first, with_number=2)
    RemoteRecord.objects.filter(chain=first.chain).update(updated_at=NOW)
    later.update(updated_at=LATER)
    assert compare(target)[0].differing == 0

    RemoteRecord.objects.filter(chain=first.chain).update(updated_at=LATER + timedelta(minutes=1))

    run, _ = compare(target)
    assert run.findings.get().fields == {"Subject": ["First", "Second"]}
    assert run.findings.get().chain == first.chain


def test_one_record_is_told_once_however_it_is_met_again(target, rule):
    first = written(rule, 1, there="Theirs")
    for number in (2, 3, 4):
        written(rule, number)
    later = share(first, with_number=4)
    later.update(updated_at=NOW - timedelta(days=9))
    ComparingConnector.meanwhile = lambda: later.update(updated_at=LATER + timedelta(days=9))

    run, _ = compare(target)

    assert ComparingConnector.asked == [["E1", "E2", "E3"], ["E1"]]
    assert run.state == "done"
    assert run.findings.count() == 1


def test_records_of_another_connection_are_not_read(target, rule):
    written(rule, 1)
    other = ConnectionFactory.create(provider="comparing", name="Other")

    compare(other)

    assert ComparingConnector.asked == []


def test_a_run_goes_on_where_a_lost_worker_left_it(target, rule):
    for number in range(5):
        written(rule, number, there="Theirs")
    ComparingConnector.answers = [None, KeyboardInterrupt()]
    drift.start(target, now=NOW)
    with pytest.raises(KeyboardInterrupt):
        drift.drain(target.pk, until=LATER, clock=lambda: NOW)

    assert not drift.due(now=LATER).exists()
    much_later = NOW + timedelta(minutes=10)
    drift.drain(target.pk, until=much_later + timedelta(minutes=1), clock=lambda: much_later)

    run = DriftRun.objects.get()
    assert (run.state, run.compared, run.differing) == ("done", 5, 5)
    assert run.findings.count() == 5
    assert ComparingConnector.asked[1:] == [["E3", "E4"], ["E3", "E4"]]


def test_a_worker_that_lost_its_lease_writes_nothing(target, rule):
    written(rule, 1, there="Theirs")
    drift.start(target, now=NOW)

    ComparingConnector.meanwhile = lambda: DriftRun.objects.update(lease_token=None)
    drift.drain(target.pk, until=LATER, clock=lambda: NOW)

    assert not DriftFinding.objects.exists()
    assert DriftRun.objects.get().compared == 0


@pytest.mark.parametrize(
    ("error", "state", "waits"),
    [
        (TemporaryError("Away.", hint="Wait."), "waiting", timedelta(minutes=5)),
        (ThrottledError("Slow.", hint="Wait.", retry_after=600), "waiting", timedelta(minutes=10)),
    ],
)
def test_while_the_provider_fails_the_run_waits_and_goes_on(target, rule, error, state, waits):
    written(rule, 1)
    ComparingConnector.answers = [error]

    run, _ = compare(target)

    assert (run.state, run.error, run.hint, run.not_before) == (
        state,
        str(error),
        "Wait.",
        LATER + waits,
    )
    assert not drift.due(now=LATER).exists()
    run, _ = compare(target, at=LATER + waits)
    assert (run.state, run.error) == ("done", "")


def test_a_configuration_error_ends_the_run_and_pauses_the_connection(target, rule):
    written(rule, 1)
    ComparingConnector.answers = [ConfigurationError("No.", hint="Mend it.")]

    run, _ = compare(target)

    assert (run.state, run.error, run.hint) == ("failed", "No.", "Mend it.")
    assert Connection.objects.get(pk=target.pk).state == "paused"


def test_a_short_allowance_makes_it_wait(target, rule):
    written(rule, 1)
    Connection.objects.update(usage={"used": 96, "limit": 100, "at": NOW.isoformat()})

    run, _ = compare(target)

    assert (run.state, run.not_before) == ("waiting", LATER + timedelta(minutes=15))
    assert ComparingConnector.asked == []


def test_a_repair_writes_the_meeting_again(target, rule):
    delivery = written(rule, 1, there="Theirs")
    run, _ = compare(target)

    assert drift.repair(run.findings.all(), now=LATER, by="ada") == 1

    delivery.refresh_from_db()
    assert (delivery.state, delivery.can_wait, delivery.not_before) == ("waiting", True, LATER)
    assert RemoteRecord.objects.get().content_hash == ""
    finding = run.findings.get()
    assert (finding.state, finding.decided_by, finding.delivery) == ("repair", "ada", delivery)


def test_a_repair_passes_by_a_later_rule_that_keeps_nothing(target, rule):
    delivery = written(rule, 1, there="Theirs")
    once = RuleFactory.create(connection=target, action="once")
    later = DeliveryFactory.create(rule=once, chain=delivery.chain, action="once", delivered=True)
    compare(target)

    assert drift.repair(DriftFinding.objects.all(), now=LATER, by="olivia") == 1

    assert DriftFinding.objects.get().delivery == delivery
    later.refresh_from_db()
    assert later.state == "delivered"


def test_what_is_gone_is_forgotten_and_made_again(target, rule):
    delivery = written(rule, 1, there=None)
    run, _ = compare(target)

    drift.repair(run.findings.all(), now=LATER, by="ada")

    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert not RemoteRecord.objects.exists()


def test_a_finding_is_decided_once(target, rule):
    written(rule, 1, there="Theirs")
    run, _ = compare(target)
    findings = list(run.findings.all())

    assert drift.repair(findings, now=LATER, by="ada") == 1
    assert drift.repair(findings, now=LATER, by="bob") == 0
    assert drift.accept(findings, by="bob") == 0


def test_what_was_accepted_is_not_told_again(target, rule):
    written(rule, 1, there="Theirs")
    written(rule, 2, there=None)
    run, _ = compare(target)

    assert drift.accept(run.findings.all(), by="ada") == 2

    run, _ = compare(target)
    assert (run.differing, run.missing) == (0, 0)


def test_a_connection_may_repair_by_itself(target, rule):
    ComparingConnector.policy = "repair"
    delivery = written(rule, 1, there="Theirs")

    _, woken = compare(target)

    delivery.refresh_from_db()
    assert (woken, delivery.state) == (True, "waiting")


def test_what_is_changed_back_the_same_way_is_left_to_a_person(target, rule):
    ComparingConnector.policy = "repair"
    delivery = written(rule, 1, there="A flow's")
    first, _ = compare(target)
    Delivery.objects.update(state="delivered")

    second, woken = compare(target)
    ComparingConnector.there["E1"] = {"Subject": "A person's"}
    third, _ = compare(target)

    delivery.refresh_from_db()
    states = [run.findings.get().state for run in (first, second, third)]
    assert (states, woken) == (["repair", "found", "repair"], False)


def test_a_delivery_under_way_is_left_alone_and_writes_what_differs(target, rule):
    delivery = written(rule, 1, there="Theirs")
    Delivery.objects.update(state="waiting", settled_at=None)
    run, _ = compare(target)

    assert drift.repair(run.findings.all(), now=LATER, by="ada") == 1

    delivery.refresh_from_db()
    assert (delivery.state, delivery.can_wait) == ("waiting", False)
    assert RemoteRecord.objects.get().content_hash == ""


def test_there_is_one_run_at_a_time(target):
    assert drift.start(target, now=NOW) == drift.start(target, now=LATER)


@pytest.mark.parametrize(("policy", "runs"), [("off", 0), ("report", 1), ("repair", 1)])
def test_each_night_what_wants_it_is_compared_once(target, policy, runs):
    ComparingConnector.policy = policy
    Connection.objects.update(created_at=NOW - timedelta(days=3))

    started = [*drift.start_nightly(now=NOW), *drift.start_nightly(now=LATER)]

    assert len(started) == runs


def test_a_paused_connection_is_not_compared(target):
    Connection.objects.update(created_at=NOW - timedelta(days=3), state="paused")

    assert drift.start_nightly(now=NOW) == []
    drift.start(target, now=NOW)
    assert not drift.due(now=LATER).exists()
