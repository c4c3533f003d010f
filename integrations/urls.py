"""URLs of the doors. The webhook's works with and without a trailing slash and never redirects."""

from django.urls import path

from integrations.views import WebhookView

urlpatterns = [
    path("webhooks/<slug:provider>/<uuid:token>", WebhookView.as_view(), name="webhook"),
    path("webhooks/<slug:provider>/<uuid:token>/", WebhookView.as_view()),
]
