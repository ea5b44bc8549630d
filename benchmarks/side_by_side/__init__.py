"""The benchmark harness: workerd and boomtown, one after the other, on the same work."""
