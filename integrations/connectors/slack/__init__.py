"""Carry meetings to Slack: one card per meeting and channel, kept up to date, with a thread of changes."""
