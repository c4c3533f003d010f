"""Carry meetings to mailboxes: messages made from templates, and calendar invitations that are kept true."""
