"""URLs of the doors. The webhook's works with and without a trailing slash and never redirects."""

from django.urls import path

from integrations.views import HealthView, ReadyView, WebhookView

urlpatterns = [
    path("healthz", HealthView.as_view(), name="healthz"),
    path("readyz", ReadyView.as_view(), name="readyz"),
    path("webhooks/<slug:provider>/<uuid:token>", WebhookView.as_view(), name="webhook"),
    path("webhooks/<slug:provider>/<uuid:token>/", WebhookView.as_view()),
]
