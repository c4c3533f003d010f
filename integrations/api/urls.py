"""Addresses of the REST API; a new version would get a prefix of its own."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from bookings.api.views import BookingEventView, EventTypeView, HostView, InviteeView
from integrations.api.deliveries import DeliveryView
from integrations.api.schema import DocsView, NothingView, SchemaView
from integrations.api.sync import SyncedBookingView

router = SimpleRouter(trailing_slash=False)
router.register("bookings", SyncedBookingView, basename="api_booking")
router.register("invitees", InviteeView, basename="api_invitee")
router.register("events", BookingEventView, basename="api_event")
router.register("hosts", HostView, basename="api_host")
router.register("event_types", EventTypeView, basename="api_event_type")
router.register("deliveries", DeliveryView, basename="api_delivery")

urlpatterns = [
    path("v1/schema", SchemaView.as_view(), name="api_schema"),
    path("v1/docs", DocsView.as_view(), name="api_docs"),
    path("v1/", include(router.urls)),
    path("<path:rest>", NothingView.as_view()),
]
