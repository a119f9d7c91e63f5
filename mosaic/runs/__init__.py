"""Durable run records: what was asked, what happened, what came of it."""
