"""What is done to many rows: at once where they are few, by a worker, slice by slice, where they are many.

`choosing` says which rows, `kinds` what is done to them, `starting` settles how, `working` does it.
"""

from integrations.bulk.choosing import BookingChoice, DeliveryChoice, WebhookChoice, read, written
from integrations.bulk.kinds import KINDS, Did, Kind
from integrations.bulk.starting import AT_ONCE, Started, count, request_stop, resume, start
from integrations.bulk.working import drain, has_due, work_on

__all__ = [
    "AT_ONCE",
    "KINDS",
    "BookingChoice",
    "DeliveryChoice",
    "Did",
    "Kind",
    "Started",
    "WebhookChoice",
    "count",
    "drain",
    "has_due",
    "read",
    "request_stop",
    "resume",
    "start",
    "work_on",
    "written",
]
