"""A rate limiter: each client is an object of its own, named by its key, address or account.

boomtown serve rate_limiter:RateLimiter --no-auth
curl -X POST http://127.0.0.1:8787/actors/RateLimiter/ann/rpc/take -d '[1]'
"""

from __future__ import annotations

from boomtown.actors import DurableObject

INTERVAL_MS = 200  # a token comes back each
BURST = 10  # tokens that may be taken at once


class RateLimiter(DurableObject):
    """A bucket of tokens, kept as one number: the instant at which it will be full again.

    Between the read and the write there is nothing to wait for, so two callers never take the
    same token. The count is written without being confirmed: the answer need not wait for the
    disk, since all that a power cut can do is to give some tokens back.
    """

    async def take(self, tokens: int = 1) -> int:
        """Take tokens: 0, or how many milliseconds to wait before asking again."""
        if not 1 <= tokens <= BURST:
            raise ValueError(f"from 1 to {BURST} tokens can be taken at once")
        now_ms: int = self.env.CLOCK.now_ms()
        full_at_ms = max(now_ms, await self.ctx.storage.get("full_at_ms") or 0)
        full_at_ms += tokens * INTERVAL_MS
        wait_ms = full_at_ms - now_ms - BURST * INTERVAL_MS
        if wait_ms > 0:
            return wait_ms
        self.ctx.storage.put("full_at_ms", full_at_ms, allow_unconfirmed=True)
        if await self.ctx.storage.get_alarm() is None:
            self.ctx.storage.set_alarm(full_at_ms, allow_unconfirmed=True)
        return 0

    async def alarm(self) -> None:
        """A full bucket is as good as one that nobody has used: forget it."""
        full_at_ms: int = await self.ctx.storage.get("full_at_ms") or 0
        if full_at_ms > self.env.CLOCK.now_ms():
            self.ctx.storage.set_alarm(full_at_ms)
        else:
            self.ctx.storage.delete_all()
