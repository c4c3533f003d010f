"""The signature of a webhook.

Source: https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures
"""

import hashlib
import hmac

HEADER = "Calendly-Webhook-Signature"


def sign(body: bytes, *, key: str, timestamp: int) -> str:
    """Return the header's value for the raw bytes of a body; `timestamp` is Unix seconds."""
    signed = f"{timestamp}.".encode() + body
    digest = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
