"""What tests of durable objects need: a clock moved by hand."""

from boomtown.testing.manual_clock import ManualClock as ManualClock

__all__ = ["ManualClock"]
