"""A system of one's own that takes signed messages, by the Standard Webhooks specification."""
