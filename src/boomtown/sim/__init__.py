"""The simulator: the project's own code on virtual time, a simulated disk and a simulated network.

Everything that could differ between two runs is drawn from a seed, by label and count, so the same
seed gives the same trace, byte for byte. Import from the modules; this package re-exports nothing,
so that its pure parts stay importable alone.
"""
