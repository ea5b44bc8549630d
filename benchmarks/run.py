"""Measure boomtown beside workerd. See docs/performance.md."""

from __future__ import annotations

from side_by_side.program import main

if __name__ == "__main__":
    main()
