"""Our forge's desk: a request in, an answer out, whatever carries them (server.py, sim_forge.py).

Theory of operation. The order is: the fault that is due for the operation, the token, the
repository, the handler, the etag. Requests are carried out one at a time, because a merge is
several steps in git; a fault that holds a request does so before its turn. What has changed is in
the journal when the answer is given. Paths are GitHub's, below `/api/v3` as on an Enterprise
server, and `/api/graphql`; what concerns only us is below `/_forge` and has its own key: arming,
counting and clearing faults, granting and revoking tokens.

An answer of None means that the connection is to end without one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from boomtown.clock import Clock
from boomtown.container_sim.forge import entries as e
from boomtown.container_sim.forge.addresses import parse_name
from boomtown.container_sim.forge.check_desk import CheckDesk
from boomtown.container_sim.forge.desk_calls import (
    DeskCall,
    DeskRefusal,
    answer_json,
    answer_message,
)
from boomtown.container_sim.forge.desk_faults import change_answer, early_answer
from boomtown.container_sim.forge.forge_faults import (
    ArmForgeFault,
    ForgeFaultKind,
    ForgeFaults,
)
from boomtown.container_sim.forge.forge_state import Account, hash_token
from boomtown.container_sim.forge.github_shapes import RepositoryShape
from boomtown.container_sim.forge.journal import ForgeBook
from boomtown.container_sim.forge.model import RepositoryName
from boomtown.container_sim.forge.pull_desk import PullDesk
from boomtown.container_sim.forge.repositories import ForgeRepositories, RepositoryFacts
from boomtown.container_sim.forge.thread_desk import ThreadDesk
from boomtown.container_sim.forge.way import ForgeAnswer, ForgeRequest
from boomtown.entropy import Secrets
from boomtown.errors import InvalidRequest
from boomtown.limits import ForgeLimits
from boomtown.wire import decode_json_as

API = "/api/v3"
GRAPHQL = "/api/graphql"
ADMIN = "/_forge"
TOKEN_BYTES = 24

_REPO = rf"{API}/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)"
_PULL = rf"{_REPO}/pulls/(?P<number>[0-9]{{1,9}})"
_SHA = r"(?P<sha>[0-9a-fA-F]{40})"
# (method, path, GitHub's name of the operation)
ROUTES: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (method, re.compile(pattern), operation)
    for method, pattern, operation in (
        ("GET", rf"{API}/rate_limit", "rate-limit/get"),
        ("GET", _REPO, "repos/get"),
        ("GET", rf"{_REPO}/pulls", "pulls/list"),
        ("POST", rf"{_REPO}/pulls", "pulls/create"),
        ("GET", _PULL, "pulls/get"),
        ("PATCH", _PULL, "pulls/update"),
        ("PUT", rf"{_PULL}/merge", "pulls/merge"),
        ("GET", rf"{_PULL}/reviews", "pulls/list-reviews"),
        ("POST", rf"{_PULL}/reviews", "pulls/create-review"),
        ("POST", rf"{_PULL}/comments", "pulls/create-review-comment"),
        (
            "POST",
            rf"{_PULL}/comments/(?P<comment>[0-9]{{1,9}})/replies",
            "pulls/create-reply-for-review-comment",
        ),
        ("POST", rf"{_REPO}/check-runs", "checks/create"),
        ("GET", rf"{_REPO}/commits/{_SHA}/check-runs", "checks/list-for-ref"),
        ("GET", rf"{_REPO}/commits/{_SHA}/status", "repos/get-combined-status"),
        ("POST", rf"{_REPO}/statuses/{_SHA}", "repos/create-commit-status"),
        (
            "GET",
            rf"{_REPO}/actions/jobs/(?P<number>[0-9]{{1,9}})/logs",
            "actions/download-job-logs",
        ),
        ("POST", GRAPHQL, "graphql"),
    )
)


class TokenWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token for an account, which is made when it is new."""

    login: str
    is_bot: bool = False


class ForgeDesk:
    """One forge. `base_url` is that of its pages."""

    def __init__(
        self,
        base_url: str,
        book: ForgeBook,
        repositories: ForgeRepositories,
        clock: Clock,
        secrets: Secrets,
        limits: ForgeLimits,
        *,
        admin_key: str,
    ) -> None:
        self.faults = ForgeFaults()
        self._base_url = base_url
        self._book = book
        self._repositories = repositories
        self._clock = clock
        self._secrets = secrets
        self._limits = limits
        self._admin_key = admin_key
        self._turn = asyncio.Lock()
        pulls = PullDesk(base_url, book, repositories, clock)
        threads = ThreadDesk(book, pulls, repositories, clock)
        checks = CheckDesk(book, repositories)
        self._handlers = {**pulls.handlers, **threads.handlers, **checks.handlers}
        self._handlers["rate-limit/get"] = self._show_rate_limit
        self._handlers["repos/get"] = self._show_repository

    def grant_token(self, login: str, *, is_bot: bool) -> str:
        """A new token of the account, beside those that it has; durable when this returns."""
        token = self._secrets.token_text(TOKEN_BYTES)
        self._book.record(e.TokenGranted(login=login, is_bot=is_bot, token_hash=hash_token(token)))
        return token

    def is_token(self, token: str) -> bool:
        """Whether it is somebody's, now."""
        return self._book.state.find_account(token) is not None

    async def answer(self, request: ForgeRequest) -> ForgeAnswer | None:
        """Carry out one request; it stands still for as long as a fault holds it."""
        parts = urlsplit(request.url)
        if parts.path.startswith(f"{ADMIN}/"):
            return self._administer(request, parts.path.removeprefix(ADMIN))
        found = _find_operation(request.method, parts.path)
        if found is None:
            return answer_message(404, "Not Found")
        operation, path = found
        fault = self.faults.take(operation)
        if fault is not None:
            early = early_answer(fault, self._clock.now_ms())
            if early is not None:
                return early
            if fault.wanted.kind is ForgeFaultKind.HELD:
                fault.fired += 1
                await fault.released.wait()
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        async with self._turn:
            answer = await self._carry_out(request, operation, path, query)
        if fault is not None:
            return change_answer(fault, operation, request.url, answer)
        return answer

    async def _carry_out(
        self, request: ForgeRequest, operation: str, path: dict[str, str], query: dict[str, str]
    ) -> ForgeAnswer:
        try:
            account = self._authenticate(request)
            repo, default_branch = RepositoryName(owner="", name=""), ""
            if "owner" in path:
                facts = await self._find_repository(path)
                repo, default_branch = facts.repo, facts.default_branch
            call = DeskCall(
                account=account,
                repo=repo,
                default_branch=default_branch,
                path=path,
                query=query,
                url=request.url.partition("?")[0],
                body=request.body,
            )
            answer = await self._handlers[operation](call)
        except DeskRefusal as refusal:
            return answer_message(refusal.status, refusal.message)
        return _with_etag(request, answer) if request.method == "GET" else answer

    async def _find_repository(self, path: dict[str, str]) -> RepositoryFacts:
        try:
            # Judged before anything becomes a path on a disk.
            named = parse_name(f"{path['owner']}/{path['name']}")
        except InvalidRequest as error:
            raise DeskRefusal(404, "Not Found") from error
        facts = await self._repositories.find(named)
        if facts is None:
            raise DeskRefusal(404, "Not Found")
        return facts

    def _authenticate(self, request: ForgeRequest) -> Account:
        account = self._book.state.find_account(_bearer(request))
        if account is None:
            raise DeskRefusal(401, "Bad credentials")
        return account

    async def _show_rate_limit(self, call: DeskCall) -> ForgeAnswer:
        return answer_json({"resources": {}, "rate": {"limit": 5_000, "remaining": 5_000}})

    async def _show_repository(self, call: DeskCall) -> ForgeAnswer:
        return answer_json(RepositoryShape(call.repo.full_name, call.default_branch))

    def _administer(self, request: ForgeRequest, path: str) -> ForgeAnswer:
        if not hmac.compare_digest(_bearer(request).encode(), self._admin_key.encode()):
            return answer_message(401, "Wrong admin key")
        try:
            match request.method, path:
                case "GET", "/faults":
                    return answer_json(self.faults.reports())
                case "POST", "/faults":
                    wanted = decode_json_as(request.body, ArmForgeFault)
                    if len(self.faults.reports()) >= self._limits.faults_armed_max:
                        return answer_message(429, "Too many faults are armed")
                    return answer_json(self.faults.arm(wanted), status=201)
                case "DELETE", "/faults":
                    self.faults.clear()
                    return ForgeAnswer(status=204)
                case "POST", "/tokens":
                    wish = decode_json_as(request.body, TokenWish)
                    token = self.grant_token(wish.login, is_bot=wish.is_bot)
                    return answer_json({"login": wish.login, "token": token}, status=201)
                case "DELETE", _ if path.startswith("/tokens/"):
                    login = unquote(path.removeprefix("/tokens/"))
                    self._book.record(e.TokensRevoked(login=login))
                    return ForgeAnswer(status=204)
                case _:
                    return answer_message(404, "Not Found")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return answer_message(422, f"Validation Failed: {error}")


def _find_operation(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """GitHub's name for it, and the named parts of the path."""
    for known_method, pattern, operation in ROUTES:
        if known_method == method and (found := pattern.fullmatch(path)):
            return operation, {name: unquote(text) for name, text in found.groupdict().items()}
    return None


def _bearer(request: ForgeRequest) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token if kind.lower() in ("bearer", "token") else ""


def _with_etag(request: ForgeRequest, answer: ForgeAnswer) -> ForgeAnswer:
    """The answer with a tag of its content, or 304 for whoever has that already."""
    if answer.status != 200:
        return answer
    etag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
    if request.headers.get("if-none-match") == etag:
        return ForgeAnswer(status=304, headers={"etag": etag})
    answer.headers["etag"] = etag
    return answer
