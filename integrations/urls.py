"""URLs of the doors, and of the REST API. The webhook's works with and without a trailing slash and never redirects."""

from django.urls import include, path

from integrations.admin.connect import connected
from integrations.views import HealthView, InteractionView, ReadyView, WebhookView

urlpatterns = [
    path("api/", include("integrations.api.urls")),
    path("healthz", HealthView.as_view(), name="healthz"),
    path("readyz", ReadyView.as_view(), name="readyz"),
    path("connect/<slug:provider>/callback", connected, name="connect_callback"),
    path("webhooks/<slug:provider>/<uuid:token>", WebhookView.as_view(), name="webhook"),
    path("webhooks/<slug:provider>/<uuid:token>/", WebhookView.as_view()),
    path(
        "interactions/<slug:provider>/<int:connection_id>",
        InteractionView.as_view(),
        name="interaction",
    ),
    path("interactions/<slug:provider>/<int:connection_id>/", InteractionView.as_view()),
]
