"""Call a REST interface that has no connector of its own: requests that staff describe, filled in from the meeting."""
