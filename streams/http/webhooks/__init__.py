"""Signed webhooks: what marketing automation gets."""
