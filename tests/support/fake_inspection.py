"""One object behind the routes of inspection, without a host."""

from __future__ import annotations

from boomtown.actors.runtime.inspection import (
    ObjectAlarm,
    ObjectDetail,
    ObjectSummary,
    SqlAnswer,
)
from support.fake_town import AT_MS

OBJECT_ID = "ab" * 32


class FakeInspection:
    """Satisfies ObjectsInspected; the one object is Counter/c1."""

    def list_objects(self, class_name: str | None = None) -> list[ObjectSummary]:
        one = ObjectSummary(class_name="Counter", id=OBJECT_ID, name="c1", is_live=False)
        return [one] if class_name in (None, "Counter") else []

    def list_alarms(self) -> list[ObjectAlarm]:
        return [ObjectAlarm(class_name="Counter", id=OBJECT_ID, name="c1", scheduled_at_ms=AT_MS)]

    async def find_object(
        self, class_name: str, name: str, *, keys_max: int
    ) -> ObjectDetail | None:
        if (class_name, name) != ("Counter", "c1"):
            return None
        return ObjectDetail(
            class_name="Counter",
            id=OBJECT_ID,
            name="c1",
            was_live=False,
            web_sockets=0,
            database_bytes=1024,
            tables=(),
            keys=("count",),
            has_more_keys=False,
            alarm_at_ms=AT_MS,
        )

    async def find_rows(
        self,
        class_name: str,
        name: str,
        *,
        query: str,
        bindings: tuple[str | int | float | None, ...],
        may_write: bool,
        rows_max: int,
    ) -> SqlAnswer | None:
        if (class_name, name) != ("Counter", "c1"):
            return None
        return SqlAnswer(columns=("query",), rows=((query,),), rows_written=0, has_more_rows=False)
