"""The registry of error codes: the only place that joins a code to its status, kind and words.

A code is a promise to programs and never changes its meaning; the words are for people and may.
The HTTP envelope, the OpenAPI document and the command line all read this table. `kind` groups
codes by what the caller can do about them; the status follows from the kind but for the few codes
that name their own.
"""

from __future__ import annotations

import enum

import msgspec


class Kind(enum.StrEnum):
    """Whose fault it is, and hence the HTTP status."""

    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_LARGE = "too_large"
    UNPROCESSABLE = "unprocessable"
    INTERNAL = "internal"
    BAD_GATEWAY = "bad_gateway"
    UNAVAILABLE = "unavailable"


STATUS_OF_KIND: dict[Kind, int] = {
    Kind.BAD_REQUEST: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD_NOT_ALLOWED: 405,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.TOO_LARGE: 413,
    Kind.UNPROCESSABLE: 422,
    Kind.INTERNAL: 500,
    Kind.BAD_GATEWAY: 502,
    Kind.UNAVAILABLE: 503,
}


class ErrorCode(enum.StrEnum):
    """Every code that a program may match."""

    # what was sent
    INVALID_JSON = "INVALID_JSON"
    INVALID_BODY = "INVALID_BODY"
    INVALID_QUERY = "INVALID_QUERY"
    INVALID_CURSOR = "INVALID_CURSOR"
    CURSOR_AHEAD = "CURSOR_AHEAD"
    INVALID_GIT_URL = "INVALID_GIT_URL"
    INVALID_BRANCH = "INVALID_BRANCH"
    INVALID_REPO = "INVALID_REPO"
    INVALID_AGENT_NAME = "INVALID_AGENT_NAME"
    UNKNOWN_TEMPLATE = "UNKNOWN_TEMPLATE"
    MAYOR_NOT_REMOVABLE = "MAYOR_NOT_REMOVABLE"
    REASSIGN_TARGET_INVALID = "REASSIGN_TARGET_INVALID"
    CONFLICTING_OPTIONS = "CONFLICTING_OPTIONS"
    DEPENDENCY_CYCLE = "DEPENDENCY_CYCLE"
    UNKNOWN_HARNESS = "UNKNOWN_HARNESS"
    AGENT_COMMAND_NOT_FOUND = "AGENT_COMMAND_NOT_FOUND"
    AGENT_BINARY_NOT_FOUND = "AGENT_BINARY_NOT_FOUND"
    BRANCH_NOT_FETCHED = "BRANCH_NOT_FETCHED"
    RIG_ID_REQUIRED = "RIG_ID_REQUIRED"
    PROMPT_TOO_LONG = "PROMPT_TOO_LONG"
    MESSAGE_REQUIRED = "MESSAGE_REQUIRED"
    MESSAGE_TOO_LONG = "MESSAGE_TOO_LONG"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    INVALID_HTTP = "INVALID_HTTP"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    # who sent it
    UNAUTHENTICATED = "UNAUTHENTICATED"
    TICKET_INVALID = "TICKET_INVALID"
    SESSION_ENDED = "SESSION_ENDED"
    FORBIDDEN_SCOPE = "FORBIDDEN_SCOPE"
    FORBIDDEN_ORIGIN = "FORBIDDEN_ORIGIN"
    FORBIDDEN_TOWN = "FORBIDDEN_TOWN"
    FORBIDDEN_RIG = "FORBIDDEN_RIG"
    FORBIDDEN_AGENT = "FORBIDDEN_AGENT"
    ACTION_DENIED = "ACTION_DENIED"
    NOT_YOUR_BOSS = "NOT_YOUR_BOSS"
    LOCAL_ONLY = "LOCAL_ONLY"
    DEVELOPMENT_ONLY = "DEVELOPMENT_ONLY"
    # what it named
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    USER_NOT_FOUND = "USER_NOT_FOUND"
    KEY_NOT_FOUND = "KEY_NOT_FOUND"
    OBJECT_NOT_FOUND = "OBJECT_NOT_FOUND"
    TOWN_NOT_FOUND = "TOWN_NOT_FOUND"
    RIG_NOT_FOUND = "RIG_NOT_FOUND"
    BEAD_NOT_FOUND = "BEAD_NOT_FOUND"
    AGENT_NOT_FOUND = "AGENT_NOT_FOUND"
    REASSIGN_TARGET_NOT_FOUND = "REASSIGN_TARGET_NOT_FOUND"
    NO_COORDINATOR = "NO_COORDINATOR"
    WATCH_NOT_FOUND = "WATCH_NOT_FOUND"
    MEMORY_NOT_FOUND = "MEMORY_NOT_FOUND"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    CONVOY_NOT_FOUND = "CONVOY_NOT_FOUND"
    REVIEW_NOT_FOUND = "REVIEW_NOT_FOUND"
    ESCALATION_NOT_FOUND = "ESCALATION_NOT_FOUND"
    CURSOR_NOT_FOUND = "CURSOR_NOT_FOUND"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    # what stands in the way
    RIG_ALREADY_REGISTERED = "RIG_ALREADY_REGISTERED"
    RIG_BUSY = "RIG_BUSY"
    RIG_PAUSED = "RIG_PAUSED"
    TOWN_BUSY = "TOWN_BUSY"
    TOWN_PAUSED = "TOWN_PAUSED"
    AGENT_NAME_TAKEN = "AGENT_NAME_TAKEN"
    AGENT_HAS_WORKERS = "AGENT_HAS_WORKERS"
    AGENT_OFFBOARDED = "AGENT_OFFBOARDED"
    REPO_ALREADY_WATCHED = "REPO_ALREADY_WATCHED"
    AGENT_BUSY = "AGENT_BUSY"
    AGENT_NOT_HOOKED = "AGENT_NOT_HOOKED"
    BEAD_ALREADY_HOOKED = "BEAD_ALREADY_HOOKED"
    BEAD_NOT_HOOKABLE = "BEAD_NOT_HOOKABLE"
    BEAD_NOT_FAILED = "BEAD_NOT_FAILED"
    BEAD_BUSY = "BEAD_BUSY"
    BRANCH_CHECKED_OUT_ELSEWHERE = "BRANCH_CHECKED_OUT_ELSEWHERE"
    SESSION_TERMINATED = "SESSION_TERMINATED"
    SESSION_INCOMPLETE_HANDLE = "SESSION_INCOMPLETE_HANDLE"
    SESSION_NOT_RESTORABLE = "SESSION_NOT_RESTORABLE"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    CONVOY_NOT_STAGED = "CONVOY_NOT_STAGED"
    CONVOY_ENDED = "CONVOY_ENDED"
    NOT_A_REVIEW = "NOT_A_REVIEW"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    # what is wrong with us, or with what we rest on
    INTERNAL_ERROR = "INTERNAL_ERROR"
    OBJECT_RESET = "OBJECT_RESET"
    GIT_UNREACHABLE = "GIT_UNREACHABLE"
    GIT_NOT_FOUND = "GIT_NOT_FOUND"
    CONTAINER_ERROR = "CONTAINER_ERROR"
    RUNTIME_UNAVAILABLE = "RUNTIME_UNAVAILABLE"
    SCM_UNAVAILABLE = "SCM_UNAVAILABLE"
    SESSION_NOT_CLAIMABLE = "SESSION_NOT_CLAIMABLE"
    SESSION_NO_WORKSPACE = "SESSION_NO_WORKSPACE"
    INVALID_PR_REF = "INVALID_PR_REF"
    PR_RIG_MISMATCH = "PR_RIG_MISMATCH"
    PR_NOT_FOUND = "PR_NOT_FOUND"
    PR_NOT_OPEN = "PR_NOT_OPEN"
    PR_CLAIMED_BY_ACTIVE_AGENT = "PR_CLAIMED_BY_ACTIVE_AGENT"
    FORGE_REFUSED = "FORGE_REFUSED"
    TOWN_DRAINING = "TOWN_DRAINING"
    OVERLOADED = "OVERLOADED"
    STARTING_UP = "STARTING_UP"
    SHUTTING_DOWN = "SHUTTING_DOWN"


class ErrorSpec(msgspec.Struct, frozen=True):
    """One row of the registry."""

    kind: Kind
    message: str  # said when the raiser has nothing better
    status_override: int | None = None

    @property
    def status(self) -> int:
        return self.status_override or STATUS_OF_KIND[self.kind]


_C, _K, _S = ErrorCode, Kind, ErrorSpec

REGISTRY: dict[ErrorCode, ErrorSpec] = {
    _C.INVALID_JSON: _S(_K.BAD_REQUEST, "The body is not valid JSON"),
    _C.INVALID_BODY: _S(_K.BAD_REQUEST, "The body does not have the required shape"),
    _C.INVALID_QUERY: _S(_K.BAD_REQUEST, "A query parameter is not valid"),
    _C.INVALID_CURSOR: _S(_K.BAD_REQUEST, "A cursor is a non-negative integer"),
    _C.CURSOR_AHEAD: _S(_K.BAD_REQUEST, "The cursor is past the newest change"),
    _C.INVALID_GIT_URL: _S(_K.BAD_REQUEST, "Not a git address that this server may use"),
    _C.INVALID_BRANCH: _S(_K.BAD_REQUEST, "Not a valid branch name"),
    _C.INVALID_REPO: _S(_K.BAD_REQUEST, "Not a repository of a forge that this server knows"),
    _C.INVALID_AGENT_NAME: _S(_K.BAD_REQUEST, "Not a valid agent name"),
    _C.UNKNOWN_TEMPLATE: _S(_K.BAD_REQUEST, "There is no role template of that name"),
    _C.MAYOR_NOT_REMOVABLE: _S(_K.BAD_REQUEST, "A town keeps its mayor"),
    _C.REASSIGN_TARGET_INVALID: _S(_K.BAD_REQUEST, "Workers cannot be given to this agent"),
    _C.CONFLICTING_OPTIONS: _S(_K.BAD_REQUEST, "Say reassignTo or force, not both"),
    _C.DEPENDENCY_CYCLE: _S(_K.BAD_REQUEST, "The dependencies form a cycle"),
    _C.UNKNOWN_HARNESS: _S(_K.BAD_REQUEST, "No harness of that name is configured"),
    _C.AGENT_COMMAND_NOT_FOUND: _S(_K.BAD_REQUEST, "The agent command does not exist"),
    _C.AGENT_BINARY_NOT_FOUND: _S(_K.BAD_REQUEST, "The harness's program does not exist"),
    _C.BRANCH_NOT_FETCHED: _S(_K.BAD_REQUEST, "The branch is nowhere to be had; fetch it"),
    _C.RIG_ID_REQUIRED: _S(_K.BAD_REQUEST, "rig_id is required"),
    _C.PROMPT_TOO_LONG: _S(_K.BAD_REQUEST, "The prompt is too long"),
    _C.MESSAGE_REQUIRED: _S(_K.BAD_REQUEST, "message is required"),
    _C.MESSAGE_TOO_LONG: _S(_K.BAD_REQUEST, "The message is too long"),
    _C.PAYLOAD_TOO_LARGE: _S(_K.TOO_LARGE, "The body is too large"),
    _C.INVALID_HTTP: _S(_K.BAD_REQUEST, "The request is not valid HTTP"),
    _C.HEADERS_TOO_LARGE: _S(_K.TOO_LARGE, "The request line or its headers are too large", 431),
    _C.UNAUTHENTICATED: _S(_K.UNAUTHENTICATED, "Authentication required"),
    _C.TICKET_INVALID: _S(_K.UNAUTHENTICATED, "The ticket is used, over, or for something else"),
    _C.SESSION_ENDED: _S(_K.UNAUTHENTICATED, "The session of this token has ended"),
    _C.FORBIDDEN_SCOPE: _S(_K.FORBIDDEN, "The key's scope does not allow this"),
    _C.FORBIDDEN_ORIGIN: _S(_K.FORBIDDEN, "Cross-origin requests are not allowed"),
    _C.FORBIDDEN_TOWN: _S(_K.FORBIDDEN, "Token townId does not match route"),
    _C.FORBIDDEN_RIG: _S(_K.FORBIDDEN, "Token rigId does not match route"),
    _C.FORBIDDEN_AGENT: _S(_K.FORBIDDEN, "Token agentId does not match route"),
    _C.ACTION_DENIED: _S(_K.FORBIDDEN, "The agent's role does not allow this action"),
    _C.NOT_YOUR_BOSS: _S(_K.FORBIDDEN, "A worker may write to no coordinator but its own"),
    _C.LOCAL_ONLY: _S(_K.FORBIDDEN, "Allowed only from this machine"),
    _C.DEVELOPMENT_ONLY: _S(_K.FORBIDDEN, "Only a development server does this"),
    _C.ROUTE_NOT_FOUND: _S(_K.NOT_FOUND, "Not found"),
    _C.METHOD_NOT_ALLOWED: _S(_K.METHOD_NOT_ALLOWED, "Method not allowed"),
    _C.USER_NOT_FOUND: _S(_K.NOT_FOUND, "User not found"),
    _C.KEY_NOT_FOUND: _S(_K.NOT_FOUND, "Key not found"),
    _C.OBJECT_NOT_FOUND: _S(_K.NOT_FOUND, "No object of that class and name is there"),
    _C.TOWN_NOT_FOUND: _S(_K.NOT_FOUND, "Town not found"),
    _C.RIG_NOT_FOUND: _S(_K.NOT_FOUND, "Rig not found"),
    _C.BEAD_NOT_FOUND: _S(_K.NOT_FOUND, "Bead not found"),
    _C.AGENT_NOT_FOUND: _S(_K.NOT_FOUND, "Agent not found"),
    _C.REASSIGN_TARGET_NOT_FOUND: _S(_K.NOT_FOUND, "There is no such coordinator to reassign to"),
    _C.NO_COORDINATOR: _S(_K.NOT_FOUND, "There is no such coordinator"),
    _C.WATCH_NOT_FOUND: _S(_K.NOT_FOUND, "Watch not found"),
    _C.MEMORY_NOT_FOUND: _S(_K.NOT_FOUND, "The memory has no such key"),
    _C.SESSION_NOT_FOUND: _S(_K.NOT_FOUND, "Session not found"),
    _C.CONVOY_NOT_FOUND: _S(_K.NOT_FOUND, "Convoy not found"),
    _C.REVIEW_NOT_FOUND: _S(_K.NOT_FOUND, "Review not found"),
    _C.ESCALATION_NOT_FOUND: _S(_K.NOT_FOUND, "Escalation not found"),
    _C.CURSOR_NOT_FOUND: _S(_K.NOT_FOUND, "The feed has no cursor of that name"),
    _C.CURSOR_EXPIRED: _S(_K.GONE, "The changes after the cursor are kept no longer"),
    _C.RIG_ALREADY_REGISTERED: _S(_K.CONFLICT, "The town has a rig of that name"),
    _C.RIG_BUSY: _S(_K.CONFLICT, "The rig has live work"),
    _C.RIG_PAUSED: _S(_K.CONFLICT, "The rig is paused"),
    _C.TOWN_BUSY: _S(_K.CONFLICT, "The town has live work"),
    _C.TOWN_PAUSED: _S(_K.CONFLICT, "The town is paused"),
    _C.AGENT_NAME_TAKEN: _S(_K.CONFLICT, "The name or identity belongs to another agent"),
    _C.AGENT_HAS_WORKERS: _S(_K.CONFLICT, "The agent has workers"),
    _C.AGENT_OFFBOARDED: _S(_K.CONFLICT, "The agent is no longer employed"),
    _C.REPO_ALREADY_WATCHED: _S(_K.CONFLICT, "Another agent watches the repository"),
    _C.AGENT_BUSY: _S(_K.CONFLICT, "The agent has a live session"),
    _C.AGENT_NOT_HOOKED: _S(_K.CONFLICT, "The agent is hooked to nothing that this call fits"),
    _C.BEAD_ALREADY_HOOKED: _S(_K.CONFLICT, "Another session works on the bead"),
    _C.BEAD_NOT_HOOKABLE: _S(_K.CONFLICT, "Beads of this kind cannot be hooked"),
    _C.BEAD_NOT_FAILED: _S(_K.CONFLICT, "Only a failed bead can be retried"),
    _C.BEAD_BUSY: _S(_K.CONFLICT, "The bead has a live session"),
    _C.BRANCH_CHECKED_OUT_ELSEWHERE: _S(_K.CONFLICT, "Another worktree has the branch checked out"),
    _C.SESSION_TERMINATED: _S(_K.CONFLICT, "The session has ended"),
    _C.SESSION_INCOMPLETE_HANDLE: _S(_K.CONFLICT, "The session lacks what this needs"),
    _C.SESSION_NOT_RESTORABLE: _S(_K.CONFLICT, "Only an ended session can be restored"),
    _C.ILLEGAL_TRANSITION: _S(_K.CONFLICT, "The bead's status does not allow this change"),
    _C.CONVOY_NOT_STAGED: _S(_K.CONFLICT, "The convoy is not staged"),
    _C.CONVOY_ENDED: _S(_K.CONFLICT, "The convoy has ended"),
    _C.NOT_A_REVIEW: _S(_K.CONFLICT, "The agent's session is not a review"),
    _C.IDEMPOTENCY_MISMATCH: _S(_K.CONFLICT, "The idempotency key came with another body"),
    _C.INTERNAL_ERROR: _S(_K.INTERNAL, "Internal error"),
    _C.OBJECT_RESET: _S(_K.UNAVAILABLE, "The object was reset; try again"),
    _C.GIT_UNREACHABLE: _S(_K.BAD_GATEWAY, "The git repository cannot be reached"),
    _C.GIT_NOT_FOUND: _S(_K.UNAVAILABLE, "The git program is not installed"),
    _C.CONTAINER_ERROR: _S(_K.BAD_GATEWAY, "The container did not do as told"),
    _C.RUNTIME_UNAVAILABLE: _S(_K.UNAVAILABLE, "Nothing can be started now; try again"),
    _C.SESSION_NOT_CLAIMABLE: _S(_K.UNPROCESSABLE, "This session cannot own a pull request"),
    _C.SESSION_NO_WORKSPACE: _S(_K.UNPROCESSABLE, "The session has no worktree"),
    _C.INVALID_PR_REF: _S(_K.BAD_REQUEST, "Not a pull request: say its number or its address"),
    _C.PR_RIG_MISMATCH: _S(_K.UNPROCESSABLE, "The pull request is of another repository"),
    _C.PR_NOT_FOUND: _S(_K.NOT_FOUND, "Pull request not found"),
    _C.PR_NOT_OPEN: _S(_K.CONFLICT, "The pull request is not open, or is a draft"),
    _C.PR_CLAIMED_BY_ACTIVE_AGENT: _S(_K.CONFLICT, "Another agent works on this pull request"),
    _C.FORGE_REFUSED: _S(_K.UNPROCESSABLE, "The forge will not have it"),
    _C.SCM_UNAVAILABLE: _S(_K.UNAVAILABLE, "The forge cannot be asked now; try again"),
    _C.TOWN_DRAINING: _S(_K.UNAVAILABLE, "The town's container is draining"),
    _C.OVERLOADED: _S(_K.UNAVAILABLE, "Too much at once; try again", 429),
    _C.STARTING_UP: _S(_K.UNAVAILABLE, "The server is starting"),
    _C.SHUTTING_DOWN: _S(_K.UNAVAILABLE, "The server is ending"),
}

assert set(REGISTRY) == set(ErrorCode), "every code has its row"
