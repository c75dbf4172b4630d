"""What webhooks keep in Redis: endpoints, and for each of them the deliveries that wait."""
