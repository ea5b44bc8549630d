"""The durable-object runtime: gates, instances, hosts, and the storage of each object."""
