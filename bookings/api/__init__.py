"""The read-only REST API of the mirror: bookings, invitees, events, hosts, event types.

`integrations.api` serves it, and adds how bookings stand at their destinations.
"""
