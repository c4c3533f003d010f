"""How truth comes in and goes out: sources, rules, deliveries and connectors."""
