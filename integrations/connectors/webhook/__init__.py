"""Tell a system of one's own: every event as one signed message, by the Standard Webhooks specification."""
