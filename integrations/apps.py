"""Django's entry for the integrations package."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """Webhooks in, deliveries out."""

    name = "integrations"
    verbose_name = "Integrations"
