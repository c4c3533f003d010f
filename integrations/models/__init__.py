"""The rows between the doors: connections, what came in, what is to go out, what was done."""

from integrations.models.backfill import BackfillFinding, BackfillProblem, BackfillRun
from integrations.models.bulk import BulkOperation
from integrations.models.connection import (
    Account,
    Connection,
    MailTemplate,
    MappedField,
    RemoteRecord,
)
from integrations.models.delivery import Delivery, DeliveryAttempt
from integrations.models.drift import DriftFinding, DriftRun
from integrations.models.erasure import ErasureRequest
from integrations.models.heartbeat import Heartbeat
from integrations.models.inbound import InboundWebhook, SignatureTally, WebhookSubscription
from integrations.models.interaction import Interaction
from integrations.models.mapping import FieldMapping
from integrations.models.matching import MatchReview
from integrations.models.notification import Notification, NotificationChannel
from integrations.models.planning import ClockEntry, EventPlan
from integrations.models.rule import Rule
from integrations.models.simulation import SimulationResult
from integrations.models.template import EmailTemplate
from integrations.models.token import ApiToken

__all__ = [
    "Account",
    "ApiToken",
    "BackfillFinding",
    "BackfillProblem",
    "BackfillRun",
    "BulkOperation",
    "ClockEntry",
    "Connection",
    "Delivery",
    "DeliveryAttempt",
    "DriftFinding",
    "DriftRun",
    "EmailTemplate",
    "ErasureRequest",
    "EventPlan",
    "FieldMapping",
    "Heartbeat",
    "InboundWebhook",
    "Interaction",
    "MailTemplate",
    "MappedField",
    "MatchReview",
    "Notification",
    "NotificationChannel",
    "RemoteRecord",
    "Rule",
    "SignatureTally",
    "SimulationResult",
    "WebhookSubscription",
]
