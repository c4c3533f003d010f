"""Interfaces that have no connector of their own: a store for anything, and small parts of Brevo, Vitally and Lever."""
