"""`boomtown forge`: a forge of one's own, and what people do at one.

`serve` runs the server (container_sim/forge/server.py) on a folder. The other commands talk to a
forge over its interface: to the one that runs on `--root`, or to any, GitHub too, by `--url` and
`--token`. Nothing is ever asked interactively, because agents run this, too.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar, assert_never

import click
import msgspec
from rich.markup import escape

from boomtown.cli.terminal import EXIT_UNREACHABLE, EXIT_USAGE, Terminal
from boomtown.clock import SystemClock
from boomtown.container_sim.forge.addresses import ForgeSite, parse_repository
from boomtown.container_sim.forge.client import ForgeClient
from boomtown.container_sim.forge.http_way import HttpWay
from boomtown.container_sim.forge.journal import JournalInUse
from boomtown.container_sim.forge.model import (
    CheckStatus,
    FailureKind,
    Fetched,
    ForgeFailed,
    HeadMoved,
    Made,
    Merged,
    MergeMethod,
    NoCredentials,
    NotFound,
    NotLearnt,
    NotMergeable,
    PullRequest,
    RateLimited,
    Refused,
    RepositoryName,
    Unauthorized,
)
from boomtown.container_sim.forge.operator_calls import ForgeCallFailed, OperatorCalls
from boomtown.container_sim.forge.server import ForgeFolder, open_forge
from boomtown.entropy import SystemSecrets
from boomtown.errors import InvalidRequest
from boomtown.limits import ForgeLimits
from boomtown.wire import iso_from_ms

T = TypeVar("T")

DEFAULT_ROOT = Path("forge")
CALL_MS_MAX = 30_000
EXIT_CODES = "Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 no forge reached."

Answer = Callable[["Desk"], Awaitable[None]]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Which forge, with which token, and how to say what it answers."""

    root: Path
    url: str | None
    token: str | None
    as_json: bool


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """A command's view of one forge."""

    terminal: Terminal
    site: ForgeSite
    client: ForgeClient
    calls: OperatorCalls

    def repo(self, text: str) -> RepositoryName:
        """Ends the command where it is no repository of this forge."""
        try:
            return parse_repository(text, (self.site,), default=self.site).repo
        except InvalidRequest as error:
            self.terminal.fail(error.message, code=error.code, exit_code=EXIT_USAGE)

    def value(self, outcome: Fetched[T] | Made[T] | Refused | NotLearnt) -> T:
        """What was fetched or made; ends the command for any other outcome."""
        if isinstance(outcome, Fetched | Made):
            return outcome.value
        self.refuse(outcome)

    def refuse(self, outcome: HeadMoved | NotMergeable | Refused | NotLearnt) -> NoReturn:
        """Say why, and end with the code for it."""
        match outcome:
            case NoCredentials():
                self.terminal.fail("no token: --token or BOOMTOWN_FORGE_TOKEN", code="NO_TOKEN")
            case Unauthorized():
                self.terminal.fail("the forge refused the token", code="UNAUTHORIZED")
            case RateLimited():
                at = iso_from_ms(outcome.retry_at_ms)
                self.terminal.fail(f"too many calls; again at {at}", code="RATE_LIMITED")
            case NotFound():
                self.terminal.fail("there is no such thing at the forge", code="NOT_FOUND")
            case Refused():
                self.terminal.fail(f"refused: {outcome.message}", code="REFUSED")
            case HeadMoved():
                self.terminal.fail("not merged: the head is another one", code="HEAD_MOVED")
            case NotMergeable():
                self.terminal.fail(
                    "not merged: it is closed, a draft, or in conflict", code="NOT_MERGEABLE"
                )
            case ForgeFailed(kind=FailureKind.UNREACHABLE | FailureKind.TIMEOUT):
                self.terminal.fail(
                    f"no answer from {self.site.base_url}: {outcome.detail}",
                    code="FORGE_UNREACHABLE",
                    exit_code=EXIT_UNREACHABLE,
                )
            case ForgeFailed():
                self.terminal.fail(f"the forge failed: {outcome.detail}", code="FORGE_FAILED")
            case _:
                assert_never(outcome)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that make a Target, handed on as `target`. To be the innermost decorator."""

    def with_target(
        *, root: Path, url: str | None, token: str | None, as_json: bool, **rest: Any
    ) -> None:
        command(target=Target(root=root, url=url, token=token, as_json=as_json), **rest)

    with_target.__name__, with_target.__doc__ = command.__name__, command.__doc__
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object per line."),
        click.option("--token", envvar="BOOMTOWN_FORGE_TOKEN", help="With --url."),
        click.option("--url", envvar="BOOMTOWN_FORGE_URL", help="Another forge's base address."),
        _ROOT_OPTION,
    ):
        with_target = option(with_target)
    return with_target


_ROOT_OPTION = click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=DEFAULT_ROOT,
    show_default=True,
    envvar="BOOMTOWN_FORGE_ROOT",
    help="The folder of our own forge.",
)


@click.group()
def forge() -> None:
    """Run a forge of your own, and work at it: pull requests, checks, threads."""


@forge.command()
@_ROOT_OPTION
@click.option("--port", type=int, default=0, help="Where to listen; 0 takes a free port.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def serve(*, root: Path, port: int, as_json: bool) -> None:
    """Serve the repositories under ROOT/repos/OWNER/NAME.git until SIGTERM or Ctrl-C."""
    terminal = Terminal(as_json=as_json)
    try:
        asyncio.run(_serve(root, port, terminal))
    except JournalInUse as error:
        terminal.fail(str(error), code="FORGE_IN_USE")
    except OSError as error:
        terminal.fail(f"cannot serve: {error}", code="CANNOT_SERVE")


async def _serve(root: Path, port: int, terminal: Terminal) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with open_forge(
        root, port, SystemClock(), SystemSecrets(), ForgeLimits(), os.environ
    ) as running:
        folder = running.folder
        terminal.fact(
            f" forge at {running.base_url}   repositories {root / 'repos'}   "
            f"token in {root / folder.token_file.relative_to(folder.root)}",
            event="ready",
            url=running.base_url,
            repos=str(folder.repos),
            token_file=str(folder.token_file),
            admin_key_file=str(folder.admin_key_file),
        )
        await ended.wait()
    terminal.fact(" stopped", event="stopped")


@forge.group()
def pr() -> None:
    """Pull requests."""


@pr.command("open")
@click.argument("repo")
@click.option("--head", required=True, help="The branch with the work.")
@click.option("--base", default="main", show_default=True, help="Where it is to go.")
@click.option("--title", required=True)
@click.option("--body", default="")
@click.option("--draft", is_flag=True)
@target_options
def pr_open(
    *, target: Target, repo: str, head: str, base: str, title: str, body: str, draft: bool
) -> None:
    """Open a pull request in REPO; the same branches again are the same one."""

    async def run(desk: Desk) -> None:
        made = await desk.client.create_pull_request(
            desk.repo(repo),
            title=title,
            body=body,
            head_branch=head,
            base_branch=base,
            is_draft=draft,
            timeout_ms=CALL_MS_MAX,
        )
        _tell_pull(desk, desk.value(made), event="pull_request")

    _ask(target, run)


@pr.command("list")
@click.argument("repo")
@click.option("--state", type=click.Choice(["open", "closed", "all"]), default="open")
@target_options
def pr_list(*, target: Target, repo: str, state: str) -> None:
    """List the pull requests of REPO, newest first."""

    async def run(desk: Desk) -> None:
        for pull in await desk.calls.list_pull_requests(desk.repo(repo), state=state):
            _tell_pull(desk, pull, event="pull_request")

    _ask(target, run)


@pr.command("merge")
@click.argument("repo")
@click.argument("number", type=int)
@click.option("--sha", help="Only this head.  [default: the present one]")
@click.option("--method", type=click.Choice([m.value for m in MergeMethod]), default="merge")
@click.option("--title", help="Of the commit.  [default: the pull request's]")
@target_options
def pr_merge(
    *, target: Target, repo: str, number: int, sha: str | None, method: str, title: str | None
) -> None:
    """Merge pull request NUMBER of REPO."""

    async def run(desk: Desk) -> None:
        name = desk.repo(repo)
        pull = await _get_pull(desk, name, number)
        merged = await desk.client.merge_pull_request(
            name,
            number,
            expected_head_sha=sha or pull.head_sha,
            method=MergeMethod(method),
            title=title or f"Merge pull request #{number}: {pull.title}",
            timeout_ms=CALL_MS_MAX,
        )
        if not isinstance(merged, Merged):
            desk.refuse(merged)
        desk.terminal.fact(
            f"#{number}   merged as {merged.merge_sha[:12]}",
            event="merged",
            number=number,
            merge_sha=merged.merge_sha,
        )

    _ask(target, run)


@pr.command("close")
@click.argument("repo")
@click.argument("number", type=int)
@target_options
def pr_close(*, target: Target, repo: str, number: int) -> None:
    """Close pull request NUMBER of REPO without merging it."""

    async def run(desk: Desk) -> None:
        closed = await desk.calls.close_pull_request(desk.repo(repo), number)
        _tell_pull(desk, closed, event="pull_request")

    _ask(target, run)


@forge.group()
def check() -> None:
    """Checks of commits."""


@check.command("set")
@click.argument("repo")
@click.argument("number", type=int)
@click.argument("name")
@click.argument("status", type=click.Choice([status.value for status in CheckStatus]))
@click.option("--log", help="What a failed check said.")
@target_options
def check_set(
    *, target: Target, repo: str, number: int, name: str, status: str, log: str | None
) -> None:
    """Say how check NAME did on the head of pull request NUMBER of REPO."""

    async def run(desk: Desk) -> None:
        repository = desk.repo(repo)
        pull = await _get_pull(desk, repository, number)
        await desk.calls.set_check(
            repository, head_sha=pull.head_sha, name=name, status=CheckStatus(status), log=log
        )
        desk.terminal.fact(
            f"{escape(name)}   {status}   {pull.head_sha[:12]}",
            event="check",
            name=name,
            status=status,
            head_sha=pull.head_sha,
        )

    _ask(target, run)


@forge.group()
def thread() -> None:
    """Conversations about lines."""


@thread.command("add")
@click.argument("repo")
@click.argument("number", type=int)
@click.option("--path", required=True, help="The file.")
@click.option("--line", type=click.IntRange(min=1), help="The line.  [default: the whole file]")
@click.option("--body", required=True)
@target_options
def thread_add(
    *, target: Target, repo: str, number: int, path: str, line: int | None, body: str
) -> None:
    """Begin a conversation on the head of pull request NUMBER of REPO."""

    async def run(desk: Desk) -> None:
        name = desk.repo(repo)
        pull = await _get_pull(desk, name, number)
        await desk.calls.add_thread(
            name, number, head_sha=pull.head_sha, path=path, line=line, body=body
        )
        await _tell_threads(desk, name, number)

    _ask(target, run)


@thread.command("resolve")
@click.argument("repo")
@click.argument("number", type=int)
@click.argument("thread_id")
@click.option("--undo", is_flag=True, help="Open it again.")
@target_options
def thread_resolve(*, target: Target, repo: str, number: int, thread_id: str, undo: bool) -> None:
    """Mark THREAD_ID of pull request NUMBER of REPO as resolved."""

    async def run(desk: Desk) -> None:
        name = desk.repo(repo)
        await desk.calls.mark_thread(name, thread_id=thread_id, is_resolved=not undo)
        await _tell_threads(desk, name, number)

    _ask(target, run)


@forge.group()
def review() -> None:
    """Reviews."""


@review.command("list")
@click.argument("repo")
@click.argument("number", type=int)
@target_options
def review_list(*, target: Target, repo: str, number: int) -> None:
    """List the reviews of pull request NUMBER of REPO, in their order."""

    async def run(desk: Desk) -> None:
        found = await desk.client.list_reviews(desk.repo(repo), number, timeout_ms=CALL_MS_MAX)
        for item in desk.value(found).items:
            desk.terminal.fact(
                f"{item.verdict.value}   {item.author}   {item.head_sha[:12]}   "
                f"{escape(item.body)}",
                event="review",
                **msgspec.to_builtins(item),
            )

    _ask(target, run)


async def _get_pull(desk: Desk, repo: RepositoryName, number: int) -> PullRequest:
    found = await desk.client.get_pull_request(repo, number, timeout_ms=CALL_MS_MAX)
    return desk.value(found)


async def _tell_threads(desk: Desk, repo: RepositoryName, number: int) -> None:
    found = await desk.client.list_review_threads(repo, number, timeout_ms=CALL_MS_MAX)
    for item in desk.value(found).items:
        place = item.path if item.line is None else f"{item.path}:{item.line}"
        state = "resolved" if item.is_resolved else "open"
        said = item.comments[0].body if item.comments else ""
        desk.terminal.fact(
            f"{item.thread_id}   {state}   {escape(place)}   {escape(said)}",
            event="thread",
            **msgspec.to_builtins(item),
        )


def _tell_pull(desk: Desk, pull: PullRequest, *, event: str) -> None:
    draft = "   draft" if pull.is_draft else ""
    desk.terminal.fact(
        f"#{pull.number}   {pull.state.value}{draft}   "
        f"{escape(pull.head_branch)} to {escape(pull.base_branch)}   {escape(pull.title)}",
        event=event,
        **msgspec.to_builtins(pull),
    )


def _ask(target: Target, run: Answer) -> None:
    """Carry out one command at the forge."""
    terminal = Terminal(as_json=target.as_json)
    url, token = target.url, target.token
    if url is None:
        folder = ForgeFolder(target.root)
        if not folder.address_file.exists():
            terminal.fail(
                f"no forge runs on {target.root}: boomtown forge serve",
                code="FORGE_UNREACHABLE",
                exit_code=EXIT_UNREACHABLE,
            )
        url = folder.address_file.read_text().strip()
        token = token or folder.token_file.read_text().strip()
    asyncio.run(_run(ForgeSite(base_url=url), token, terminal, run))


async def _run(site: ForgeSite, token: str | None, terminal: Terminal, run: Answer) -> None:
    limits = ForgeLimits()
    way = HttpWay(body_bytes_max=limits.body_bytes_max)
    client = ForgeClient(site, way, SystemClock(), limits, find_token=lambda _: token)
    calls = OperatorCalls(site, client, timeout_ms=CALL_MS_MAX)
    desk = Desk(terminal=terminal, site=site, client=client, calls=calls)
    try:
        await run(desk)
    except ForgeCallFailed as failed:
        desk.refuse(failed.outcome)
    finally:
        await client.close()


for _group in (forge, pr, check, thread, review):
    for _command in _group.commands.values():
        _command.epilog = EXIT_CODES
