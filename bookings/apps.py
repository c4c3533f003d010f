"""Django's entry for the bookings package."""

from django.apps import AppConfig


class BookingsConfig(AppConfig):
    """The mirror of the calendar."""

    name = "bookings"
    verbose_name = "Bookings"
