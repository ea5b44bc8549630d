"""The ids of durable objects, bit for bit as workerd makes them (durable-actors 1.1).

An id is 32 bytes, shown as 64 hex digits: 16 bytes of base and a truncated HMAC of the base under
the namespace's key, so that an id of another namespace, or an invented one, is told apart.
"""

from __future__ import annotations

import hashlib
import hmac

_BASE_BYTES = 16
_HMAC_BLOCK_BYTES = 64  # RFC 2104, of SHA-256
NAME_BYTES_MAX = 1024  # a longer name still addresses its object, and is not told to it


class DurableObjectId:
    """Names one object of a namespace. Equal ids have equal bytes; the name does not count."""

    __slots__ = ("_hex", "name")

    def __init__(self, hex_digits: str, *, name: str | None) -> None:
        self._hex = hex_digits
        self.name: str | None = name  # known only where this id was made from a name

    def equals(self, other: DurableObjectId) -> bool:
        """Whether both name the same object, in the same namespace; as `==`."""
        return self._hex == other._hex

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DurableObjectId) and self._hex == other._hex

    def __hash__(self) -> int:
        return hash(self._hex)

    def __str__(self) -> str:
        return self._hex

    def __repr__(self) -> str:
        return f"DurableObjectId({self._hex!r}, name={self.name!r})"


class IdMint:
    """Makes and checks the ids of one namespace."""

    def __init__(self, unique_key: str) -> None:
        key = hashlib.sha256(unique_key.encode()).digest().ljust(_HMAC_BLOCK_BYTES, b"\0")
        # An HMAC's two hashes once they have taken the key: `hmac.digest` begins anew each time.
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def from_name(self, name: str) -> DurableObjectId:
        """The id that this name always has in this namespace."""
        return self._sealed(self._mac(name.encode())[:_BASE_BYTES], name)

    def from_random(self, random_bytes: bytes) -> DurableObjectId:
        """An id without a name; 16 random bytes make it."""
        assert len(random_bytes) == _BASE_BYTES
        return self._sealed(random_bytes, None)

    def from_string(self, text: str) -> DurableObjectId:
        """The id of 64 hex digits, without a name. TypeError where they are not ours."""
        try:
            data = bytes.fromhex(text)
        except ValueError:
            data = b""
        if len(text) != 64 or len(data) != 2 * _BASE_BYTES:
            raise TypeError("Invalid Durable Object ID: must be 64 hex digits")
        base = data[:_BASE_BYTES]
        if not hmac.compare_digest(self._mac(base)[:_BASE_BYTES], data[_BASE_BYTES:]):
            raise TypeError("Durable Object ID is not valid for this namespace")
        return DurableObjectId(text.lower(), name=None)

    def _sealed(self, base: bytes, name: str | None) -> DurableObjectId:
        return DurableObjectId((base + self._mac(base)[:_BASE_BYTES]).hex(), name=name)

    def _mac(self, data: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()
