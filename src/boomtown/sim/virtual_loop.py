"""The event loop of the simulator: virtual time, and a seeded order of ready tasks.

Theory of operation. It is asyncio's own selector loop with three parts replaced. The selector
never waits: asked to wait until the next timer it sets the clock to that timer's instant, so a
simulated day costs only what happens in it. The queue of ready handles hands out *task steps* in
an order that is chosen (label "order") among the steps up to the next plain callback; plain
callbacks stay where they are, because asyncio documents the order of `call_soon`, and transports
and cancellation rest on it. And everything that
would reach outside the process raises `Escape`, or is virtual: `run_in_executor` runs its
function on the loop, whole, at a chosen later instant (label "offload").

A hang is found at once: when nothing is ready and no timer waits, nothing can ever happen again,
and `Hang` names each task and the line where it waits. Tasks that go round without time passing
end in `Livelock`.

`VirtualClock` satisfies boomtown.clock.Clock on this loop. Its milliseconds are whole: a timer for
an instant fires when `now_ms` is exactly that instant; timers of one instant fire in the order in
which they were set.

What it rests on, all true in CPython 3.11, 3.12 and 3.13: `BaseEventLoop._run_once` takes handles
by `_ready.popleft()`, timers from `_scheduled`, and waits in `_selector.select(timeout)`. Nothing
is durable here; a crash of simulated parts is the business of those who build them on this loop.
Signals, child processes and file descriptors do not exist.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import gc
import heapq
import re
import selectors
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any, NoReturn, TypeVar, cast

from boomtown.sim.choices import Choices
from boomtown.sim.escapes import Escape

T = TypeVar("T")

# How far ahead a task step may be taken: the prototype's figure. A wider window costs a scan of
# the queue at each step and finds no other bugs, since what is ahead moves up.
ORDER_WINDOW = 8
# Passes of the loop at one instant. A burst of 10,000 messages takes fewer than 100,000.
PASSES_PER_INSTANT_MAX = 1_000_000
OFFLOAD_MS_MAX = 4
AWAIT_CHAIN_SHOWN_MAX = 6
DEFAULT_NAME = re.compile(r"Task-[0-9]+")  # of tasks that were not made by the loop: inline events
# How often a task that goes on waiting after it was cancelled is cancelled again at the end.
CLOSE_ROUNDS_MAX = 10
START_MS = 1_800_000_000_000  # 2027-01-15, the same as boomtown.testing.ManualClock


class Hang(Exception):
    """Nothing is ready and no timer waits: what still waits, waits for ever."""


class Livelock(Exception):
    """The loop went round too often without time passing."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of which every run with the same choices is the same."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self._now_s = 0.0
        self.passes_per_instant_max = PASSES_PER_INSTANT_MAX
        self._timers = 0
        self._unnamed_tasks = 0
        self._numbered = 0
        self._passes = 0
        self._instant_passes = 0
        selector = _InstantSelector(self)
        super().__init__(selector)
        self._ready: collections.deque[asyncio.Handle] = _ChosenOrder(choices)
        self._scheduled: list[asyncio.TimerHandle]
        # Timers nearer than this to one another are due together; asyncio compares floats.
        self._clock_resolution = 1e-6
        self.set_task_factory(_make_task)

    def next_number(self) -> int:
        """The place of a task or future among all that this loop has made."""
        self._numbered += 1
        return self._numbered

    def create_future(self) -> asyncio.Future[Any]:
        return _NumberedFuture(loop=self)

    def time(self) -> float:
        return self._now_s

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        self._timers += 1
        timer = _OrderedTimer(when, callback, args, self, context, place=self._timers)
        heapq.heappush(self._scheduled, timer)
        return timer

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task = super().create_task(coro, **options)
        if options.get("name") is None:
            # asyncio counts through the whole process, and reports must not depend on that.
            self._unnamed_tasks += 1
            task.set_name(f"task {self._unnamed_tasks}")
        return task

    @property
    def passes(self) -> int:
        """How often the loop has gone round."""
        return self._passes

    def pass_begins(self, timeout_s: float | None) -> None:
        """Called by the selector where a real loop would wait."""
        self._passes += 1
        if timeout_s is None:
            raise Hang(f"nothing can happen any more; {describe_tasks(self)}")
        if timeout_s > 0:
            self._now_s = max(self._now_s, self._scheduled[0].when())
            self._instant_passes = 0
            return
        self._instant_passes += 1
        if self._instant_passes > self.passes_per_instant_max:
            self._instant_passes = 0  # so that cancelled tasks may clean up
            raise Livelock(f"time stands still at {self._now_s} s; {describe_tasks(self)}")

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` on the loop, whole, at a chosen instant up to OFFLOAD_MS_MAX later. Calls
        made in order may run in another order, as on threads."""
        outcome: asyncio.Future[T] = self.create_future()

        def run() -> None:
            if outcome.done():
                return
            try:
                result = func(*args)
            except Exception as error:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)

        delay_ms = self.choices.pick(OFFLOAD_MS_MAX + 1, label="offload")
        self.call_later(delay_ms / 1000, run)
        return outcome

    # What the base class would do with real descriptors.

    def _make_self_pipe(self) -> None:
        self._ssock = None
        self._csock = None
        self._internal_fds = 0

    def _close_self_pipe(self) -> None:
        """There is none."""

    def _write_to_self(self) -> None:
        """There is one thread, and it is awake."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""


def _make_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
    assert isinstance(loop, VirtualLoop)
    return _NumberedTask(loop, coro, **options)


class _NumberedFuture(asyncio.Future[Any]):
    """Hashes by its number: asyncio keeps futures and tasks in sets, and goes through them where
    order can be seen (a group that cancels, `asyncio.wait`); by address, two runs would differ."""

    _number: int

    def __new__(cls, *, loop: VirtualLoop) -> _NumberedFuture:
        future = super().__new__(cls)
        future._number = loop.next_number()
        return future

    def __init__(self, *, loop: VirtualLoop) -> None:
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class _NumberedTask(asyncio.Task[Any]):
    """The same for tasks. The number is there before the base's constructor hashes the task."""

    _number: int

    def __new__(cls, loop: VirtualLoop, coro: Any, **options: Any) -> _NumberedTask:
        task = super().__new__(cls)
        task._number = loop.next_number()
        return task

    def __init__(self, loop: VirtualLoop, coro: Any, **options: Any) -> None:
        super().__init__(coro, loop=loop, **options)

    def __hash__(self) -> int:
        return self._number


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
        raise Escape(f"loop.{name}")

    return refuse


# Methods of the loop that reach outside; the coroutines among them raise when they are called.
FENCED_METHODS = (
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_sendall",
    "sock_sendto",
    "subprocess_exec",
    "subprocess_shell",
)

for _name in FENCED_METHODS:
    setattr(VirtualLoop, _name, _refusal(_name))


class _InstantSelector(selectors.BaseSelector):
    """Waiting takes no time. It knows no descriptors."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.pass_begins(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise Escape("selector.register")

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise KeyError(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class _ChosenOrder(collections.deque[asyncio.Handle]):
    """The queue of ready handles. A task step may overtake steps of other owners that are ahead
    of it, never a plain callback: code calls `call_soon` and then yields, and rests on the order
    that asyncio documents (anyio delivers cancellation so)."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        self._choices = choices

    def popleft(self) -> asyncio.Handle:
        if len(self) > 1:
            places = self._places_that_may_overtake()
            if places and (picked := self._choices.pick(len(places) + 1, label="order")):
                handle = self[places[picked - 1]]
                del self[places[picked - 1]]
                return handle
        return super().popleft()

    def _places_that_may_overtake(self) -> list[int]:
        ahead: list[object] = []
        places: list[int] = []
        for place in range(min(len(self), ORDER_WINDOW)):
            owner = _step_owner(self[place])
            if owner is None:
                break
            if place and not any(owner is other for other in ahead):
                places.append(place)
            ahead.append(owner)
        return places


def _step_owner(handle: asyncio.Handle) -> object | None:
    """Whose step a handle is: a task, or the durable object at whose gate one of its tasks asks
    (`enter(task, ...)` of the runtime's gates). None for a plain callback."""
    callback = handle._callback  # type: ignore[attr-defined] # pyright: ignore
    arguments: Any = handle._args  # pyright: ignore
    owner: Any = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return cast(object, owner)
    is_gate = getattr(callback, "__name__", "") == "enter"
    return owner if is_gate and arguments and isinstance(arguments[0], asyncio.Task) else None


class _OrderedTimer(asyncio.TimerHandle):
    """A timer that is due after those of the same instant that were set before it; asyncio leaves
    their order to its heap."""

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: contextvars.Context | None,
        *,
        place: int,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._due = (when, place)
        self._scheduled = True  # in the loop's heap; the loop counts those that are cancelled

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _OrderedTimer)
        return self._due < other._due


class VirtualClock:
    """Satisfies boomtown.clock.Clock on a virtual loop; starts at `start_ms`."""

    def __init__(self, loop: VirtualLoop, *, start_ms: int = START_MS) -> None:
        self._loop = loop
        self._start_ms = start_ms

    def now_ms(self) -> int:
        """Virtual milliseconds since the epoch; they pass only while nothing is ready to run."""
        return self._start_ms + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        """Virtual milliseconds since the run began."""
        # The loop's seconds are n / 1000 for whole n, less or more the last bit of a float.
        return int(self._loop.time() * 1000 + 1e-3)

    def call_at_ms(self, at_ms: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """As Clock.call_at_ms, on the virtual loop."""
        due_ms = max(at_ms, self.now_ms()) - self._start_ms
        return self._loop.call_at(due_ms / 1000, callback)

    async def sleep_until_ms(self, at_ms: int) -> None:
        """As Clock.sleep_until_ms: no real time passes."""
        if at_ms <= self.now_ms():
            return
        woken = asyncio.Event()
        timer = self.call_at_ms(at_ms, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()


def describe_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """Which tasks wait and where, sorted by name."""
    waiting = [
        f"{DEFAULT_NAME.sub('unnamed task', task.get_name())}: {_where_it_waits(task)}"
        for task in _tasks_by_name(loop)
    ]
    return "waiting: " + "; ".join(waiting) if waiting else "no task is left"


def _tasks_by_name(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    # Shorter first: so numbered names sort as numbers do. Those that asyncio itself has numbered,
    # through the whole process, come last: else their place would depend on where it began.
    def place(task: asyncio.Task[Any]) -> tuple[bool, int, str]:
        name = task.get_name()
        return DEFAULT_NAME.fullmatch(name) is not None, len(name), name

    return sorted(asyncio.all_tasks(loop), key=place)


def _where_it_waits(task: asyncio.Task[Any]) -> str:
    places: list[str] = []
    awaitable: Any = task.get_coro()
    while awaitable is not None and len(places) < AWAIT_CHAIN_SHOWN_MAX:
        frame = getattr(awaitable, "cr_frame", None) or getattr(awaitable, "gi_frame", None)
        if frame is None:
            break
        module = frame.f_globals.get("__name__", "?")
        places.append(f"{module}.{frame.f_code.co_qualname}:{frame.f_lineno}")
        awaitable = getattr(awaitable, "cr_await", None) or getattr(awaitable, "gi_yieldfrom", None)
    return " > ".join(places) or "not started"


@contextlib.contextmanager
def open_virtual_loop(choices: Choices) -> Generator[VirtualLoop]:
    """A virtual loop, closed at the end: tasks still there are cancelled, in the order of their
    names, and may clean up as long as something is ready or a timer waits. The garbage collector
    is off meanwhile, because finalizers would run where memory happens to be, not where the
    choices say."""
    loop = VirtualLoop(choices)
    gc_was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield loop
    finally:
        try:
            _cancel_all(loop)
        finally:
            loop.close()
            if gc_was_enabled:
                gc.enable()


def _cancel_all(loop: VirtualLoop) -> None:
    for _ in range(CLOSE_ROUNDS_MAX):
        tasks = _tasks_by_name(loop)
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Hang, Livelock):
            loop.run_until_complete(ended)
    loop.run_until_complete(loop.shutdown_asyncgens())


def run_virtually(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], choices: Choices) -> T:
    """Run `main(loop)` to its end on a loop of its own. Raises what it raises, `Hang` or
    `Livelock`."""
    with open_virtual_loop(choices) as loop:
        return loop.run_until_complete(main(loop))
