"""Containers that are processes. Only value types are exported here: this runs in every agent."""
