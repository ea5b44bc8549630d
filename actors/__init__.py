"""Durable objects for Python: the runtime's public names."""
