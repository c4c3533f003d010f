"""Hosts and event types with a button to read them again."""

from django.contrib import admin

from bookings.admin import EventTypeAdmin as MirrorEventTypeAdmin
from bookings.admin import HostAdmin as MirrorHostAdmin
from bookings.models import EventType, Host
from integrations.admin.reading_again import ReadAgainAdmin

admin.site.unregister(Host)
admin.site.unregister(EventType)


@admin.register(Host)
class HostAdmin(ReadAgainAdmin, MirrorHostAdmin):
    """The people who take meetings; one who left the organization is kept."""


@admin.register(EventType)
class EventTypeAdmin(ReadAgainAdmin, MirrorEventTypeAdmin):
    """The templates that bookings are made from; one that was only named by a booking can be read."""
