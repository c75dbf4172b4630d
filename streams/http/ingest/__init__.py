"""Ingest: what today's SDKs send becomes records of `customer-events`."""
