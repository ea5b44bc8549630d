"""A queue of jobs, each of which is a request to some server, tried until it is accepted.

    boomtown serve job_runner:JobRunner --no-auth

Every job is a schedule of one object. A job that fails is tried again, 1 s, 2 s and so on later;
after the fourth failure it is a dead letter, which stays until somebody retries it. Jobs are run
at least once: a crash after the server's answer runs one again, so it carries its id.
"""

from __future__ import annotations

from typing import Any

from boomtown.actors import DurableObject, RetryPolicy, fetch

RETRY = RetryPolicy(attempts=4, backoff_ms=1_000, backoff_ms_max=60_000)


class JobRunner(DurableObject):
    """The jobs of one queue; they run one after the other."""

    async def submit(self, job_id: str, url: str, body: str, delay_ms: int = 0) -> str:
        """Take a job. The same id again is the same job, whatever has become of it."""
        known = await self.status(job_id)
        if known == "unknown":
            at_ms = self.env.CLOCK.now_ms() + delay_ms
            job = {"id": job_id, "url": url, "body": body}
            self.ctx.schedule(job_id, at_ms, payload=job, method="_run", retry=RETRY)
            return "waiting"
        return known

    async def status(self, job_id: str) -> str:
        """done, waiting, dead or unknown."""
        if await self.ctx.storage.get(f"done/{job_id}"):
            return "done"
        if any(each.name == job_id for each in self.ctx.schedules()):
            return "waiting"
        is_dead = any(each.name == job_id for each in self.ctx.dead_schedules())
        return "dead" if is_dead else "unknown"

    async def dead_letters(self) -> list[dict[str, Any]]:
        """What was given up, and why."""
        return [
            {"letter_id": each.letter_id, "job_id": each.name, "error": each.last_error}
            for each in self.ctx.dead_schedules()
        ]

    async def retry(self, letter_id: int) -> None:
        """Try a dead letter again, as often as the first time."""
        self.ctx.retry_dead_schedule(letter_id)

    async def _run(self, job: dict[str, str]) -> None:  # not for stubs: its name says so
        headers = {"Idempotency-Key": job["id"]}
        answer = await fetch(job["url"], method="POST", headers=headers, body=job["body"])
        if answer.status >= 400:
            raise RuntimeError(f"{job['url']} answered {answer.status}")
        self.ctx.storage.put(f"done/{job['id']}", True)
