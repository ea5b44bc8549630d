"""One request as the desk's handlers see it, and how they answer or refuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from boomtown.container_sim.forge.forge_state import Account
from boomtown.container_sim.forge.model import RepositoryName
from boomtown.container_sim.forge.way import ForgeAnswer
from boomtown.wire import decode_json_as, encode_json

T = TypeVar("T")

PAGE_ITEMS_DEFAULT = 30  # GitHub's
PAGE_ITEMS_MAX = 100


class DeskRefusal(Exception):
    """Answered with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class DeskCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose token and repository are known to be good."""

    account: Account
    repo: RepositoryName  # as it is spelled; unused by calls that name no repository
    default_branch: str
    path: dict[str, str]  # the named parts
    query: dict[str, str]
    url: str  # of the request, without its query
    body: bytes

    @property
    def number(self) -> int:
        return int(self.path["number"])

    def decode(self, shape: type[T]) -> T:
        """The body. Raises DeskRefusal as GitHub does."""
        try:
            return decode_json_as(self.body or b"{}", shape)
        except msgspec.ValidationError as error:
            raise DeskRefusal(422, f"Validation Failed: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DeskRefusal(400, "Problems parsing JSON") from error

    def page(self, items: Sequence[object]) -> Page:
        """The items of the page that is asked for. Raises DeskRefusal."""
        if "cut" in self.query:
            return Page(items=(), next_url=f"{self.url}?{urlencode(self.query)}")
        size = self._whole("per_page", PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX)
        number = self._whole("page", 1, 1_000_000)
        start = (number - 1) * size
        more = start + size < len(items)
        next_url = f"{self.url}?{urlencode({**self.query, 'page': number + 1})}" if more else None
        return Page(items=tuple(items[start : start + size]), next_url=next_url)

    def _whole(self, name: str, default: int, most: int) -> int:
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit()) or len(text) > 7:
            raise DeskRefusal(422, f"{name} is no number")
        return min(max(int(text), 1), most)


Handler = Callable[[DeskCall], Awaitable[ForgeAnswer]]  # raises DeskRefusal


class Page(msgspec.Struct, frozen=True):
    """A part of a listing."""

    items: tuple[object, ...]
    next_url: str | None


def answer_json(value: object, *, status: int = 200) -> ForgeAnswer:
    headers = {"content-type": "application/json; charset=utf-8"}
    return ForgeAnswer(status=status, headers=headers, body=encode_json(value))


def answer_page(value: object, next_url: str | None) -> ForgeAnswer:
    """A listing, with the link to what follows."""
    answer = answer_json(value)
    if next_url is not None:
        answer.headers["link"] = f'<{next_url}>; rel="next"'
    return answer


def answer_message(status: int, message: str) -> ForgeAnswer:
    return answer_json({"message": message}, status=status)
