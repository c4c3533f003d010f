"""The rows between the doors: connections, what came in, what is to go out, what was done."""

from integrations.models.connection import Account, Connection, RemoteRecord
from integrations.models.delivery import Delivery, DeliveryAttempt, Rule
from integrations.models.heartbeat import Heartbeat
from integrations.models.inbound import InboundWebhook, SignatureTally, WebhookSubscription

__all__ = [
    "Account",
    "Connection",
    "Delivery",
    "DeliveryAttempt",
    "Heartbeat",
    "InboundWebhook",
    "RemoteRecord",
    "Rule",
    "SignatureTally",
    "WebhookSubscription",
]
