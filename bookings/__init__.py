"""What is true: the mirror of the calendar. No Celery, no outgoing HTTP, no provider's JSON."""
