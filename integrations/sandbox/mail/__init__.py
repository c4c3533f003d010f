"""A mail server that keeps what it takes, with switches for its faults."""
