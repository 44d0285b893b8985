import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from services.common.api_keys import Scope
from services.gateway.policy import RULES, Policy
from services.gateway.routes import ask, catalogue, health, items, job_control, jobs, media, page, search, uploads

ROUTERS: list[APIRouter] = [
    ask.router,
    catalogue.router,
    health.router,
    items.router,
    job_control.router,
    jobs.router,
    media.router,
    page.router,
    search.router,
    uploads.router,
]


def served() -> set[tuple[str, str]]:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {(method, route.path) for route in routes for method in route.methods or ()}


def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    assert {(rule.method, rule.path) for rule in RULES} == served() | {("GET", "/openapi.json")}
    assert len(RULES) == len(served()) + 1


def test_what_changes_something_needs_the_scope_write() -> None:
    asking = {("POST", "/v1/search"), ("POST", "/v1/ask")}
    changing = {rule for rule in RULES if rule.method in {"POST", "PUT", "DELETE"}} - {
        rule for rule in RULES if (rule.method, rule.path) in asking
    }
    assert {rule.scopes for rule in changing} == {(Scope.WRITE,)}
    assert all(rule.is_audited for rule in changing)
    assert len(changing) == 10


def test_data_is_never_open() -> None:
    assert all(rule.scopes and rule.lane is not None for rule in RULES if rule.path.startswith("/v1/"))


def test_who_only_writes_can_follow_and_sees_no_item() -> None:
    seen = {rule.path for rule in RULES if Scope.WRITE in rule.scopes and rule.method in {"GET", "HEAD"}}
    assert seen == {
        "/v1/info",
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/duplicates",
        "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/failures",
        "/v1/jobs/{job_id}/verify",
        "/v1/media/{sha256}",
        "/v1/uploads/{sha256}",
    }


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", "/v1/items/x", "/v1/items/{item_id}"),
        ("GET", "/v1/items/x/image", "/v1/items/{item_id}/image"),
        ("GET", "/page/js/main.js", "/page/{name:path}"),
        ("POST", "/v1/search", "/v1/search"),
    ],
)
def test_an_address_is_found(method: str, path: str, template: str) -> None:
    rule = Policy().find(method, path).rule
    assert rule is not None
    assert rule.path == template


@pytest.mark.parametrize(
    "path", ["/v1/search/", "/v1/items/x/y", "/v1/items/", "//v1/info", "/V1/info", "/v1/info\n"]
)
def test_what_is_not_in_the_table_is_not_there(path: str) -> None:
    assert Policy().find("GET", path).allowed == ()


def test_another_method_is_told_which_there_are() -> None:
    match = Policy().find("PATCH", "/v1/items/x")
    assert (match.rule, match.allowed) == (None, ("DELETE", "GET"))
