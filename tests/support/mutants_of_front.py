"""Defects of the front door: who may read or say what, and which doors there are."""

from __future__ import annotations

from support.mutation import Edit, Mutant

_AUTHORIZATION = "http/authorization.py"
_ROUTE_TABLE = "http/route_table.py"
_OF_ACCESS = "tests/http/test_authorization.py::test_"
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
)
