"""The REST API as it is served: who may ask and how often, bookings with their destinations, deliveries, the schema."""
