"""The sandbox's Calendly: API, OAuth, bookings and webhooks."""
