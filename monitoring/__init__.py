"""Checks of a running system; reads only."""
