"""Defects of the front door: who may read or say what, and which doors there are."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_AUTHORIZATION = "http/authorization.py"
_ERROR_RESPONSES = "http/error_responses.py"
_ROUTE_TABLE = "http/route_table.py"
_OF_ACCESS = "tests/http/test_authorization.py::test_"
_OF_ERRORS = "tests/http/test_error_responses.py::test_stmt_C08_"
_OF_ROUTES = "tests/http/test_route_table.py::test_"

FRONT_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="row-05",
        defect="whoever knows the id of a town reads its state without a credential",
        edits=(
            Edit(
                _AUTHORIZATION,
                "    if isinstance(principal, Nobody) and Credential.NONE not in"
                " route.credentials:\n",
                '    if isinstance(principal, Nobody) and route.method != "GET":\n',
            ),
        ),
        tests=(f"{_OF_ROUTES}nobody_is_refused_by_every_route_that_asks_for_a_credential",),
    ),
    Mutant(
        name="row-05-town",
        defect="an agent's token opens every town",
        edits=(
            Edit(
                _AUTHORIZATION,
                '    if path.get("town") != claims.town_id:\n'
                "        raise AccessDenied(ErrorCode.FORBIDDEN_TOWN)\n"
                "    if Credential.MAYOR in",
                "    if Credential.MAYOR in",
            ),
        ),
        tests=(f"{_OF_ACCESS}a_session_token_for_something_else_is_403_in_the_kept_words",),
    ),
    Mutant(
        name="row-16",
        defect="a route for debugging is served to the public",
        edits=(
            Edit(
                _ROUTE_TABLE,
                '    ("GET", TOWN + "/invariants",',
                '    ("GET", TOWN + "/debug", 200, _t.get_town_status, NO, views.TownStatusView),\n'
                '    ("GET", TOWN + "/invariants",',
            ),
        ),
        tests=(f"{_OF_ROUTES}the_table_holds_exactly_the_contracts_rows_of_its_groups",),
    ),
    Mutant(
        name="row-88-token",
        defect="an agent's token is good for the routes of another agent",
        edits=(
            Edit(
                _AUTHORIZATION,
                '        if path.get("agent", claims.agent_id) != claims.agent_id:\n'
                "            raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)\n",
                "",
            ),
        ),
        tests=(f"{_OF_ACCESS}a_session_token_for_something_else_is_403_in_the_kept_words",),
    ),
    Mutant(
        name="row-88-container",
        defect="a container's token and any header speak for every agent",
        edits=(
            Edit(
                _AUTHORIZATION,
                '    if headers.get(HEADER_AGENT) != path["agent"]:\n'
                "        raise AccessDenied(ErrorCode.FORBIDDEN_AGENT)\n",
                "",
            ),
        ),
        tests=(f"{_OF_ACCESS}a_container_that_names_no_agent_is_refused[other_agent]",),
    ),
    Mutant(
        name="refusal-keeps-writes",
        defect="a refused command keeps what it wrote before it knew",
        edits=(
            Edit(
                "actors/town/execution.py",
                "        return tx.in_savepoint(work)\n",
                "        return work()\n",
            ),
        ),
        tests=(
            "tests/refusals/test_refusals.py::test_a_refusal_is_whole_and_changes_nothing"
            "[DEPENDENCY_CYCLE-beads_in_a_ring_and_another_title]",
        ),
    ),
    Mutant(
        name="refusal-lost-in-wrapper",
        defect="a refusal that a foreign error wraps is a fault",
        edits=(
            Edit(
                _ERROR_RESPONSES,
                "            wrapped = _find_wrapped(error)\n",
                "            wrapped = None\n",
            ),
        ),
        tests=(f"{_OF_ERRORS}a_wrapped_refusal_keeps_its_code_and_says_nothing_of_its_wrapper",),
    ),
    Mutant(
        name="fault-told",
        defect="a fault's own words are shown to whoever asked",
        edits=(
            Edit(
                _ERROR_RESPONSES,
                "            return _fault() if wrapped is None else",
                "            told = Refusal(ErrorCode.INTERNAL_ERROR, str(error))\n"
                "            fault = Failure(refusal=told, is_fault=True)\n"
                "            return fault if wrapped is None else",
            ),
        ),
        tests=(f"{_OF_ERRORS}what_is_no_refusal_stays_a_fault[unknown]",),
    ),
    Mutant(
        name="refusal-on-standard-output",
        defect="a program reads a refusal of workers as an answer",
        edits=(
            Edit(
                "src/boomtown/cli/hire_command.py",
                " != ErrorCode.AGENT_HAS_WORKERS or place.as_json:\n",
                " != ErrorCode.AGENT_HAS_WORKERS:\n",
            ),
        ),
        tests=(
            "tests/refusals/test_command_line.py::"
            "test_stmt_C08_a_refused_command_says_what_the_server_said[dismiss_a_boss]",
        ),
    ),
)
