"""Every case that has a script, by its number (durable-actors 9), and what is known to differ.

The same scripts run on workerd by `make conformance`, which records what it said in
tests/differential/case_results.json; on this runtime they must give what is recorded there.
"""

from __future__ import annotations

from support.case_operations import Script
from support.case_scripts_of_alarms import CASES as OF_ALARMS
from support.case_scripts_of_objects import CASES as OF_OBJECTS
from support.case_scripts_of_sql import CASES as OF_SQL
from support.case_scripts_of_storage import CASES as OF_STORAGE

CASES: dict[int, Script] = dict(
    sorted((OF_OBJECTS | OF_STORAGE | OF_SQL | OF_ALARMS).items(), key=lambda item: item[0])
)

# What docs/conformance.md lists as differences, and nothing else of these cases may differ.
RESET_IS_TOLD = frozenset({123})  # a commit that fails sets durable_object_reset here only
VALUE_ERRORS = frozenset({167, 170})  # a bound that was passed is a ValueError here, an Error there
