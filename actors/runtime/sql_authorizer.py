"""What a user's SQL may do: SQLite asks here while it compiles a statement (durable-actors 4.5).

Refused are: every name that begins with `_cf_` (ours), transactions (they are the runtime's),
ATTACH and DETACH (and so VACUUM), anything temporary, virtual tables but full text and R-trees,
functions and pragmas that are not listed. A refusal is SQLITE_AUTH and changes nothing.

SQLite does not say the new name of ALTER TABLE … RENAME TO, so `refuses_text` looks at the text
of such statements; names cannot be written in any disguise.
"""

from __future__ import annotations

import functools
import re

import apsw

_TRANSACTION_OPERATIONS = frozenset({apsw.SQLITE_TRANSACTION, apsw.SQLITE_SAVEPOINT})

_TEMPORARY_OPERATIONS = frozenset(
    {
        apsw.SQLITE_CREATE_TEMP_INDEX,
        apsw.SQLITE_CREATE_TEMP_TABLE,
        apsw.SQLITE_CREATE_TEMP_TRIGGER,
        apsw.SQLITE_CREATE_TEMP_VIEW,
        apsw.SQLITE_DROP_TEMP_INDEX,
        apsw.SQLITE_DROP_TEMP_TABLE,
        apsw.SQLITE_DROP_TEMP_TRIGGER,
        apsw.SQLITE_DROP_TEMP_VIEW,
    }
)

_VIRTUAL_TABLES = frozenset({"fts5", "fts5vocab", "rtree", "rtree_i32"})

_READABLE_PRAGMAS = frozenset({"data_version", "page_size"})
# What a user may switch, and how it stands in a new database.
SWITCH_PRAGMAS = {
    "case_sensitive_like": "OFF",
    "defer_foreign_keys": "OFF",
    "foreign_keys": "ON",
    "ignore_check_constraints": "OFF",
    "legacy_alter_table": "OFF",
    "recursive_triggers": "OFF",
    "reverse_unordered_selects": "OFF",
}
_SWITCH_VALUES = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})
_OBJECT_PRAGMAS = frozenset(
    {
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_xinfo",
    }
)
_OPTIONAL_OBJECT_PRAGMAS = frozenset({"foreign_key_check", "quick_check"})

# The last nine are ALTER TABLE's own, which nobody else can call.
_FUNCTION_NAMES = """
-> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling changes char coalesce
concat concat_ws cos cosh count cume_dist current_date current_time current_timestamp date
datetime degrees dense_rank exp first_value floor format fts5 glob group_concat hex highlight
if ifnull iif instr json json_array json_array_insert json_array_length json_each
json_error_position json_extract json_group_array json_group_object json_insert json_object
json_patch json_pretty json_quote json_remove json_replace json_set json_tree json_type
json_valid jsonb jsonb_array jsonb_array_insert jsonb_extract jsonb_group_array
jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set
julianday lag last_insert_rowid last_value lead length like likelihood likely ln log log10
log2 lower ltrim match max median min mod nth_value ntile nullif octet_length percent_rank
percentile percentile_cont percentile_disc pi pow power printf quote radians random randomblob
rank replace round row_number rtreecheck rtrim sign sin sinh snippet sqrt strftime string_agg
substr substring subtype sum tan tanh time timediff total total_changes trim trunc typeof
unhex unicode unistr unixepoch unlikely upper zeroblob sqlite_add_constraint
sqlite_drop_column sqlite_drop_constraint sqlite_fail sqlite_find_constraint
sqlite_rename_column sqlite_rename_quotefix sqlite_rename_table sqlite_rename_test
"""
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())

_OWN_PREFIX = "_cf_"
_ANSWERS_KEPT_MAX = 4_096  # objects of a class ask the same: each, of its schema, at each start
_SKIPPED = r"(?:[\s;]|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_ALTERS = re.compile(_SKIPPED + r"alter\b", re.IGNORECASE | re.DOTALL)
_TRANSACTION = re.compile(
    _SKIPPED + r"(?:begin|commit|end|rollback|savepoint|release)\b", re.IGNORECASE | re.DOTALL
)
BLANK = re.compile(_SKIPPED, re.DOTALL)  # spaces and comments, and no statement


def is_own_name(name: str | None) -> bool:
    """Whether `name` belongs to the runtime."""
    return name is not None and name[: len(_OWN_PREFIX)].lower() == _OWN_PREFIX


def refuses_text(sql: str) -> bool:
    """Whether a statement may not run for what its text says."""
    return _OWN_PREFIX in sql.lower() and _ALTERS.match(sql) is not None


def begins_transaction(sql: str) -> bool:
    """Whether the first statement of `sql`, which was refused, is one of transactions."""
    return _TRANSACTION.match(sql) is not None


@functools.lru_cache(maxsize=_ANSWERS_KEPT_MAX)
def authorize(operation: int, first: str | None, second: str | None, schema: str | None) -> int:
    """Answer SQLite's question about one operation of a user's statement; `schema` is "main", or
    "temp", or None where the operation has none."""
    match operation:
        case apsw.SQLITE_FUNCTION:
            is_allowed = second is not None and second.lower() in _FUNCTIONS
        case apsw.SQLITE_PRAGMA:
            is_allowed = _may_use_pragma((first or "").lower(), second)
        case apsw.SQLITE_ATTACH | apsw.SQLITE_DETACH:
            is_allowed = False
        case apsw.SQLITE_ANALYZE if is_own_name(first):
            return apsw.SQLITE_IGNORE  # ANALYZE of everything skips what is ours
        case apsw.SQLITE_READ | apsw.SQLITE_UPDATE:
            is_allowed = not is_own_name(first)  # the second is a column
        case apsw.SQLITE_CREATE_VTABLE | apsw.SQLITE_DROP_VTABLE:
            is_allowed = not is_own_name(first) and (second or "").lower() in _VIRTUAL_TABLES
        case apsw.SQLITE_ALTER_TABLE:
            is_allowed = not is_own_name(second)  # the first is the schema's name
        case _ if operation in _TRANSACTION_OPERATIONS or operation in _TEMPORARY_OPERATIONS:
            is_allowed = False
        case apsw.SQLITE_INSERT if schema == "temp":
            is_allowed = False  # what `CREATE TABLE temp.t` asks instead of a temporary operation
        case _:
            is_allowed = not is_own_name(first) and not is_own_name(second)
    return apsw.SQLITE_OK if is_allowed else apsw.SQLITE_DENY


def _may_use_pragma(name: str, value: str | None) -> bool:
    if name == "table_list":
        return True  # it names what is ours, and shows nothing of it
    if name in _READABLE_PRAGMAS:
        return value is None
    if name in SWITCH_PRAGMAS:
        return value is None or value.lower() in _SWITCH_VALUES
    if value is None:
        return name in _OPTIONAL_OBJECT_PRAGMAS or name == "optimize"
    if name == "optimize":
        return _is_number(value)
    if name == "quick_check":
        return _is_number(value) or not is_own_name(value)
    return name in _OBJECT_PRAGMAS and not is_own_name(value)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").removeprefix("0x").isalnum() and text[:1] in "-0123456789"
