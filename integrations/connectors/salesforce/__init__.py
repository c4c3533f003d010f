"""Carry meetings to Salesforce: a Lead or Contact, and an Event on their timeline."""
