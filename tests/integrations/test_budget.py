"""One request budget for all workers, in a real Redis."""

import os
import subprocess
import sys
import time

import pytest
import redis
from django.conf import settings as django_settings

from integrations import budget, scripts
from integrations.budget import Budget, Priority, Told
from integrations.errors import ThrottledError

pytestmark = pytest.mark.db_independent

LIVE, BACKGROUND = Priority.LIVE, Priority.BACKGROUND
SPEND_ALL = """
import django
django.setup()
from integrations import budget
from integrations.errors import ThrottledError
sent = 0
try:
    while sent < 1000:
        budget.spend(7, priority=budget.Priority.LIVE)
        sent += 1
except ThrottledError:
    pass
print(sent)
"""


@pytest.fixture(autouse=True)
def _awake(broker_url):
    scripts.wake()


def told(remaining: int, *, limit: int = 50, resets_in: float = 40) -> Told:
    return Told(limit=limit, remaining=remaining, resets_in=resets_in)


def learn(said: Told | None, *, connection_id: int = 7) -> None:
    """Send a request whose answer says this."""
    ticket = budget.spend(connection_id, priority=LIVE)
    budget.settle(connection_id, ticket, told=said)


def sendable(priority: Priority, *, connection_id: int = 7) -> int:
    """Send until the budget says no; the answers are still to come."""
    for sent in range(1000):
        try:
            budget.spend(connection_id, priority=priority)
        except ThrottledError:
            return sent
    return 1000


def wait_of(priority: Priority) -> float | None:
    with pytest.raises(ThrottledError) as caught:
        budget.spend(7, priority=priority)
    return caught.value.retry_after


def test_nothing_is_refused_before_an_answer_told_the_limit():
    assert sendable(BACKGROUND) == 1000
    assert budget.look(7) is None


def test_what_an_answer_told_is_shown_with_the_reserve():
    learn(told(31))

    seen = budget.look(7)

    assert seen is not None
    assert (seen.limit, seen.remaining, seen.reserve) == (50, 31, 10)
    assert 39 < seen.resets_in <= 40


def test_requests_under_way_count():
    learn(told(31))
    tickets = [budget.spend(7, priority=LIVE) for _ in range(3)]

    under_way = budget.look(7)
    for remaining, ticket in zip((30, 28, 29), tickets, strict=True):
        budget.settle(7, ticket, told=told(remaining))

    assert under_way is not None
    assert under_way.remaining == 28
    assert sendable(LIVE) == 28


def test_background_leaves_a_fifth_to_live_traffic():
    learn(told(50))

    assert sendable(BACKGROUND) == 40
    assert wait_of(BACKGROUND) == 40
    assert sendable(LIVE) == 10
    assert wait_of(LIVE) == 40


@pytest.mark.parametrize(
    ("limit", "reserve"), [(500, 100), (50, 10), (26, 6), (25, 5), (10, 5), (6, 5), (5, 4), (1, 0)]
)
def test_the_reserve_is_at_least_five_and_never_everything(limit, reserve):
    learn(told(limit, limit=limit))

    assert budget.reserve_of(limit) == reserve
    assert sendable(BACKGROUND) == limit - reserve


def test_two_processes_share_one_budget(broker_url):
    learn(told(300, limit=500))
    environment = {**os.environ, "REDIS_URL": broker_url, "DJANGO_SETTINGS_MODULE": "config.settings"}  # fmt: skip
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SPEND_ALL], env=environment, cwd=django_settings.BASE_DIR,
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip

    sent = [int(process.communicate(timeout=60)[0]) for process in started]

    assert sum(sent) == 300
    assert sendable(LIVE) == 0


def test_connections_have_budgets_of_their_own():
    learn(told(0))

    assert sendable(LIVE) == 0
    assert sendable(LIVE, connection_id=8) == 1000


@pytest.mark.parametrize("limit", [0, 50])
def test_a_refused_request_empties_the_budget(limit):
    learn(told(31))

    learn(Told(limit=limit, remaining=0, resets_in=9, refused=True))

    assert wait_of(LIVE) == 9
    seen = budget.look(7)
    assert seen is not None
    assert (seen.limit, seen.remaining) == (50, 0)


def test_a_refusal_is_heeded_although_no_limit_was_ever_told():
    learn(Told(limit=0, remaining=0, resets_in=9, refused=True))

    assert wait_of(LIVE) == 9


def test_a_window_that_ran_out_begins_anew_with_the_last_known_limit():
    learn(told(0, resets_in=0.2))
    spent = sendable(LIVE)
    time.sleep(0.25)

    assert spent == 0
    assert budget.look(7) == Budget(limit=50, remaining=50, reserve=10, resets_in=0)
    assert sendable(BACKGROUND) == 40


def test_answers_that_overtake_each_other_leave_the_lowest_number():
    first, second, third = (budget.spend(7, priority=LIVE) for _ in range(3))

    budget.settle(7, second, told=told(48, resets_in=40))
    budget.settle(7, first, told=told(49, resets_in=41))
    budget.settle(7, third, told=told(3, resets_in=20))

    seen = budget.look(7)
    assert seen is not None
    assert seen.remaining == 48
    assert seen.resets_in > 39


def test_a_new_window_told_by_an_answer_replaces_the_old_one():
    learn(told(2, resets_in=5))
    learn(told(49, resets_in=60))

    seen = budget.look(7)
    assert seen is not None
    assert seen.remaining == 49


def test_a_request_without_an_answer_counts_as_one_used():
    learn(told(31))
    learn(None)

    seen = budget.look(7)
    assert seen is not None
    assert seen.remaining == 30


def test_a_request_that_never_came_back_is_forgotten_after_a_minute(broker_url):
    learn(told(31))
    budget.spend(7, priority=LIVE)
    with redis.from_url(broker_url) as client:
        (ticket,) = client.zrange("calsync:budget:7:sent", 0, -1)
        client.zadd("calsync:budget:7:sent", {ticket: time.time() * 1000 - 61_000})

    seen = budget.look(7)
    assert seen is not None
    assert seen.remaining == 31


def test_without_redis_requests_go_out_uncounted_and_soon_unasked(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    ticket = budget.spend(7, priority=BACKGROUND)
    budget.settle(7, ticket, told=told(0))
    started = time.monotonic()
    for _ in range(100):
        budget.spend(7, priority=BACKGROUND)

    assert time.monotonic() - started < 0.2
    assert budget.look(7) is None


def test_a_lost_answer_in_a_fresh_window_does_not_hide_what_later_answers_tell():
    """The provider's window ends in 20 s, ours would have ended in 60: its numbers would be taken for stale."""
    learn(told(0, resets_in=0.01))
    time.sleep(0.02)
    learn(None)
    lost = budget.look(7)

    learn(told(12, resets_in=20))

    seen = budget.look(7)
    assert lost is not None
    assert lost.remaining == 49
    assert seen is not None
    assert seen.remaining == 11
    assert sendable(BACKGROUND) == 1


def test_a_refusal_that_told_no_limit_ends_and_leaves_nothing_behind():
    """Something between us and the provider refused, and no answer ever tells a limit."""
    learn(Told(limit=0, remaining=0, resets_in=0.01, refused=True))
    time.sleep(0.02)
    learn(None)

    assert sendable(BACKGROUND) == 1000
    assert budget.look(7) is None


def test_an_emptied_redis_learns_from_the_next_answer(broker_url):
    learn(told(31))
    under_way = budget.spend(7, priority=LIVE)
    with redis.from_url(broker_url) as client:
        client.flushdb()
        client.script_flush()

    unknown = budget.look(7)
    budget.settle(7, under_way, told=told(29))

    seen = budget.look(7)
    assert unknown is None
    assert seen is not None
    assert (seen.limit, seen.remaining) == (50, 29)
    assert sendable(BACKGROUND) == 19
