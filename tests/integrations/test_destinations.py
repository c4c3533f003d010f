"""What a destination's badge says."""

import pytest

from integrations.destinations import destinations
from tests.factories import DeliveryFactory, RemoteRecordFactory

pytestmark = pytest.mark.django_db


def standing(delivery):
    booking = delivery.event.booking
    (found,) = destinations([booking])[booking.pk]
    return found.state


def test_nothing_to_do_where_something_is_there_means_in_step():
    delivery = DeliveryFactory.create(skipped=True)
    RemoteRecordFactory.create(connection=delivery.connection, chain=delivery.chain)

    assert standing(delivery) == "synced"


def test_nothing_to_do_where_nothing_is_there_says_so():
    assert standing(DeliveryFactory.create(skipped=True)) == "nothing to do"
