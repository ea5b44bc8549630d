"""JSON merge patch (RFC 7396): a null removes, an object is merged, all else replaces."""

from __future__ import annotations

from typing import Any, cast


def merge_patch(target: Any, patch: Any) -> Any:
    """`target` with `patch` applied; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Any] = {}
    if isinstance(target, dict):
        merged = {**cast(dict[str, Any], target)}
    for key, value in cast(dict[str, Any], patch).items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged
