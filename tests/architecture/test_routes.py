"""The API's routes: what they ask of a caller, what browsers may do, and what is open where a stack hosts its page."""

import json
import re
from typing import Any

import botocore.session
import pytest

from tailrace.definition.pipeline import load_pipeline
from tailrace.http.openapi.document import build_document, security
from tests.architecture.stack import (
    PAGE,
    function_id,
    mapping_of,
    properties,
    referred,
    resources,
    statements,
    template,
    variables,
)


def routes_to(integration: str) -> list[str]:
    """Return the routes that lead to an integration."""
    found = resources("AWS::ApiGatewayV2::Route")
    return sorted(name for name in found if referred(properties(name)["Target"]) == {integration})


PUBLIC = routes_to("DashboardIntegration")
ROUTES = sorted(resources("AWS::ApiGatewayV2::Route").keys() - set(PUBLIC))
READ, WRITE = {"Ref": "JwtReadScope"}, {"Ref": "JwtWriteScope"}


def with_tokens(value: Any) -> Any:
    """Return what a value is where the template's parameters name a token's issuer."""
    assert value["Fn::If"][0] == "UsesTokens"
    return value["Fn::If"][1]


def without_tokens(value: Any) -> Any:
    """Return what a value is where they do not."""
    return value["Fn::If"][2]


@pytest.mark.parametrize("name", ROUTES)
def test_every_route_asks_for_a_signature_or_a_token(name: str) -> None:
    """Never for nothing, also in the emulator: what is tried there is what is deployed."""
    route = properties(name)
    assert without_tokens(route["AuthorizationType"]) == "AWS_IAM"
    assert without_tokens(route["AuthorizerId"]) == {"Ref": "AWS::NoValue"}
    assert with_tokens(route["AuthorizationType"]) == "JWT"
    assert with_tokens(route["AuthorizerId"]) == {"Ref": "TokenAuthorizer"}
    assert referred(route["Target"]) == {"ApiIntegration"}


@pytest.mark.parametrize("name", ROUTES)
def test_a_token_needs_the_scope_of_what_it_does(name: str) -> None:
    """Reading is one scope and writing another; what is no address may be asked with either."""
    verb = properties(name)["RouteKey"].split(" ")[0]
    expected = {"GET": [READ], "$default": [READ, WRITE]}.get(verb, [WRITE])
    assert with_tokens(properties(name)["AuthorizationScopes"]) == expected


@pytest.mark.parametrize("name", ["JwtReadScope", "JwtWriteScope"])
def test_a_scope_that_the_gateway_refuses_is_refused_before_anything_is_created(name: str) -> None:
    service = botocore.session.get_session().get_service_model("apigatewayv2")
    member = service.shape_for("AuthorizationScopes").member  # type: ignore[attr-defined]  # a list
    (longest,) = re.findall(r"Between1And(\d+)$", member.name)
    assert template()["Parameters"][name]["MaxLength"] == int(longest)


def test_what_is_open_is_the_page_and_nothing_else() -> None:
    """Two routes, which read, and lead to the page's function alone; only where a stack that takes tokens hosts it."""
    assert {properties(name)["RouteKey"] for name in PUBLIC} == {"GET /dashboard", "GET /dashboard/{file+}"}
    for name in PUBLIC:
        assert properties(name)["AuthorizationType"] == "NONE"
        assert template()["Resources"][name]["Condition"] == "HostsDashboard"
    assert referred(properties("DashboardIntegration")["IntegrationUri"]) == {function_id(PAGE)}
    assert template()["Conditions"]["HostsDashboard"] == {
        "Fn::And": [{"Condition": "UsesTokens"}, {"Fn::Not": [{"Fn::Equals": [{"Ref": "DashboardClientId"}, ""]}]}]
    }
    assert template()["Parameters"]["DashboardClientId"]["Default"] == ""


def test_the_function_behind_what_is_open_may_do_nothing() -> None:
    """No right, no name of a resource in its environment, and nobody but the API's two routes invokes it."""
    assert statements(PAGE) == []
    assert referred(variables(PAGE)) == set()
    assert mapping_of(PAGE) is None
    invoking = [name for name in resources("AWS::Lambda::Permission") if function_id(PAGE) in str(properties(name))]
    assert invoking == ["DashboardPermission"]
    assert properties("DashboardPermission")["SourceArn"]["Fn::Sub"].endswith(":${HttpApi}/*/GET/dashboard*")


def test_what_belongs_to_the_page_is_there_only_with_it() -> None:
    """Without a client id a stack has no part of it."""
    named = [name for name in template()["Resources"] if "Dashboard" in name]
    assert len(named) == 7
    assert all(template()["Resources"][name]["Condition"] == "HostsDashboard" for name in named)
    outputs = [name for name in template()["Outputs"] if "Dashboard" in name]
    assert outputs
    assert all(template()["Outputs"][name]["Condition"] == "HostsDashboard" for name in outputs)


def test_a_page_has_an_issuer() -> None:
    """A client id without one is a mistake, and told as such."""
    rule = template()["Rules"]["DashboardsHaveAnIssuer"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DashboardClientId"}, ""]}]}
    assert rule["Assertions"][0]["Assert"] == template()["Conditions"]["UsesTokens"]
    for name in ("DashboardTokenOrigin", "JwtIssuer"):  # both become sources of the page's content security policy
        for text, taken in {
            "": True,
            "https://a.example": True,
            "https://*": False,
            "https://*.example": False,
            "https://a; script-src *": False,
            "https://a;script-src": False,
            "https://a,default-src": False,
            "https://a;\tscript-src\t*": False,
        }.items():
            assert bool(re.fullmatch(template()["Parameters"][name]["AllowedPattern"], text)) is taken, (name, text)
    for issuer in ("https://a.example/realms/b", "https://a.example/?v=2", "http://127.0.0.1:8080/"):
        assert re.fullmatch(template()["Parameters"]["JwtIssuer"]["AllowedPattern"], issuer)


@pytest.mark.parametrize(
    ("rule", "given", "needed"),
    [
        ("AudiencesHaveAnIssuer", "JwtAudience", "JwtIssuer"),
        ("TokenOriginsHaveADashboard", "DashboardTokenOrigin", "DashboardClientId"),
    ],
)
def test_what_would_have_no_effect_is_refused(rule: str, given: str, needed: str) -> None:
    """Whoever gives an audience expects that the API asks for tokens."""
    found = template()["Rules"][rule]
    (compared,) = found["RuleCondition"]["Fn::Not"][0].values()
    assert compared == [{"Ref": given}, ""]
    assert found["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": needed}, ""]}]}


def test_tokens_are_of_one_issuer_and_made_for_this_api() -> None:
    """A token for another audience is refused, and a stack with an issuer and no audience cannot be made."""
    authorizer = template()["Resources"]["TokenAuthorizer"]
    assert authorizer["Condition"] == "UsesTokens"
    assert authorizer["Properties"]["AuthorizerType"] == "JWT"
    assert authorizer["Properties"]["IdentitySource"] == ["$request.header.Authorization"]
    assert authorizer["Properties"]["JwtConfiguration"] == {
        "Issuer": {"Ref": "JwtIssuer"},
        "Audience": {"Ref": "JwtAudience"},
    }
    assert template()["Conditions"]["UsesTokens"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "JwtIssuer"}, ""]}]}
    rule = template()["Rules"]["TokensHaveAnAudience"]
    assert rule["RuleCondition"] == template()["Conditions"]["UsesTokens"]
    assert rule["Assertions"][0]["Assert"] == {"Fn::Not": [{"Fn::EachMemberEquals": [{"Ref": "JwtAudience"}, ""]}]}
    assert all(template()["Parameters"][name]["Default"] == "" for name in ("JwtIssuer", "JwtAudience"))


def test_pages_of_other_origins_are_let_in_by_name_only() -> None:
    """None by default, never all of them, and no cookies."""
    cors = properties("HttpApi")["CorsConfiguration"]
    assert cors["Fn::If"][0] == "HasCorsOrigins"
    assert cors["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    allowed = cors["Fn::If"][1]
    assert allowed["AllowOrigins"] == {"Ref": "CorsOrigins"}
    assert "AllowCredentials" not in allowed
    assert "*" not in str([allowed[name] for name in ("AllowHeaders", "AllowMethods", "ExposeHeaders")])
    origins = template()["Parameters"]["CorsOrigins"]
    assert origins["Default"] == ""
    for origin, taken in {
        "https://a.example": True,
        "http://127.0.0.1:5173": True,
        "http://[::1]:8080": True,
        "https://a.example:80": True,
        "https://a.example:443": False,
        "http://a.example:80": False,
        "https://A.example": False,
        "https://a.example/": False,
        "https://a.example?b": False,
        "*": False,
        "https://*": False,
    }.items():
        assert bool(re.fullmatch(origins["AllowedPattern"], origin)) is taken
    # the route that takes everything else would take a browser's question, too, and ask it for credentials
    assert template()["Resources"]["DefaultRoute"]["Condition"] == "HasNoCorsOrigins"
    assert template()["Conditions"]["HasNoCorsOrigins"] == {"Fn::Not": [{"Condition": "HasCorsOrigins"}]}


def test_the_openapi_document_says_which_scope_each_route_asks_for() -> None:
    """A client generated from it requests a token that the gateway accepts."""
    pipeline, schemes = load_pipeline(), security("https://login.example")
    document = build_document(pipeline, schemes, scopes=("JwtReadScope", "JwtWriteScope"))
    said = {
        (verb.upper(), path): operation.get("security", document["security"])
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
        if verb != "parameters"
    }
    own = {"collection": pipeline.collections[0].name, "name": pipeline.aggregates[0].name, "id+": "{id}"}
    for name in set(ROUTES) - {"DefaultRoute"}:
        verb, path = properties(name)["RouteKey"].split(" ")
        (scope,) = with_tokens(properties(name)["AuthorizationScopes"])
        assert said[verb, re.sub(r"{(.+?)}", lambda found: own[found[1]], path)] == [{"token": [scope["Ref"]]}], name
    unsigned = build_document(pipeline, security(None), scopes=("a", "b"))
    assert unsigned["security"] == [{"signature": []}]
    assert '"security": [{"token"' not in json.dumps(unsigned)


def test_a_page_may_send_and_see_every_header_that_the_api_knows() -> None:
    """What the OpenAPI document names as a header is let through in that direction."""
    allowed = properties("HttpApi")["CorsConfiguration"]["Fn::If"][1]
    document = build_document(load_pipeline(), {})
    sent = {one["name"].lower() for one in document["components"]["parameters"].values()}
    assert sent | {"accept", "authorization", "content-type"} <= set(allowed["AllowHeaders"])
    answers = [
        answer
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for answer in operation["responses"].values()
    ]
    answers += document["components"]["responses"].values()
    seen = {name.lower() for answer in answers for name in answer.get("headers", {})}
    # what every page may see anyhow: https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
    assert seen - {"cache-control"} <= set(allowed["ExposeHeaders"])
    used = {verb for name in ROUTES if (verb := properties(name)["RouteKey"].split(" ")[0]) != "$default"}
    assert set(allowed["AllowMethods"]) == used


def test_the_api_is_throttled_and_logs_who_asked() -> None:
    """One caller cannot use up the account's functions, and every request leaves a line."""
    (stage,) = resources("AWS::ApiGatewayV2::Stage").values()
    settings = stage["Properties"]["DefaultRouteSettings"]
    assert 0 < settings["ThrottlingRateLimit"] <= settings["ThrottlingBurstLimit"] <= 5000
    assert referred(stage["Properties"]["AccessLogSettings"]["DestinationArn"]) == {"ApiAccessLog"}
    # six metrics of each route, each at the price of one's own, that no alarm looks at
    assert "DetailedMetricsEnabled" not in settings
