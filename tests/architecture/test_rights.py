"""Who may do what: each function only what it does, and nobody from outside anything."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tailrace.definition.pipeline import load_pipeline
from tailrace.http.openapi.document import build_document, security
from tests.architecture.stack import (
    FUNCTIONS,
    PAGE,
    STAGES,
    as_list,
    function_id,
    mapping_of,
    properties,
    referred,
    resources,
    statements,
    template,
    variables,
)

Statement = Mapping[str, Any]
CASES = [pytest.param(stage, given, id=f"{stage}-{given['Sid']}") for stage in STAGES for given in statements(stage)]

BY_NAME = {
    "SeeDeployments": ":function:${AWS::StackName}-aggregate",
    "ContinueFile": ":function:${AWS::StackName}-load",
    "RunJobs": ":stateMachine:${AWS::StackName}-history",
    "SendToQueues": ":${AWS::StackName}_*",
    "CountMessages": ":${AWS::StackName}_*",
}
"""Rights to what is named instead of referred to: a reference would be circular, and routes are made in a loop."""


@pytest.mark.parametrize(("stage", "statement"), CASES)
def test_a_statement_names_its_actions_and_its_resources(stage: str, statement: Statement) -> None:
    """No wildcard among the actions; a wildcard in a resource only within a prefix of one bucket or table."""
    assert all(
        re.fullmatch(r"(dynamodb|lambda|s3|sqs|states):[A-Za-z]+", action) for action in as_list(statement["Action"])
    ), stage
    for resource in as_list(statement["Resource"]):
        text = resource.get("Fn::Sub", "")
        by_name = statement["Sid"] in BY_NAME and text.endswith(BY_NAME[statement["Sid"]])
        assert by_name or len(referred(resource)) == 1
        assert by_name or "*" not in text or text.endswith("/*")


@pytest.mark.parametrize(("stage", "statement"), CASES)
def test_objects_are_reached_by_prefix(stage: str, statement: Statement) -> None:
    """A function that writes quarantine/ cannot overwrite what another one keeps in the same bucket."""
    if not any(action in ("s3:GetObject", "s3:PutObject") for action in as_list(statement["Action"])):
        return
    for resource in as_list(statement["Resource"]):
        assert re.search(
            r"/(inbox|checkpoints|receipts|archive|quarantine|oversize|aws/lambda|journal|jobs|reports|expired)/\*$",
            resource["Fn::Sub"],
        ), stage


@pytest.mark.parametrize("stage", STAGES)
def test_a_role_covers_what_the_settings_name_and_nothing_else(stage: str) -> None:
    """Every resource in the environment is used, and every right is to one of them, the source or the destination."""
    named = referred(variables(stage))
    mapping = mapping_of(stage)
    ends = [mapping[1]["EventSourceArn"], mapping[1].get("DestinationConfig")] if mapping else []
    served = referred(ends)
    reached = referred([given["Resource"] for given in statements(stage)])
    assert reached == named | served


@pytest.mark.parametrize("stage", ["api", "load", "ingest", "archive", "catalog"])
def test_a_stage_counts_under_its_own_name_only(stage: str) -> None:
    """None of them could make a reader of the stream look further, or another stage busier, than it is."""
    to_progress = [given for given in statements(stage) if referred(given["Resource"]) == {"ProgressTable"}]
    (writing,) = [given for given in to_progress if as_list(given["Action"]) != ["dynamodb:Query"]]
    assert writing["Action"] == "dynamodb:UpdateItem"
    assert writing["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [stage]}}


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_a_role_is_made_of_statements_only(stage: str) -> None:
    """Neither managed policies nor SAM's policy templates nor events, which all bring rights of their own."""
    function = properties(function_id(stage))
    assert all(set(policy) == {"Statement"} for policy in function["Policies"])
    assert not {"Events", "Role", "FunctionUrlConfig"} & function.keys()


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_a_function_writes_no_log_but_its_own(stage: str) -> None:
    """The managed policy that SAM attaches to each role allows every log group of the account."""
    found = template()["Resources"][f"{stage.capitalize()}LogRights"]
    assert found["Properties"]["Roles"] == [{"Ref": f"{function_id(stage)}Role"}]
    (statement,) = found["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "logs:*")
    group = {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"}
    own = properties(function_id(stage))["LoggingConfig"]["LogGroup"]
    assert statement["NotResource"] == [
        {"Fn::Join": [":", [group, own]]},
        {"Fn::Join": [":", [group, own, "*"]]},
    ]
    assert found.get("Condition") == template()["Resources"][function_id(stage)].get("Condition")


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_a_function_does_not_create_its_log_again(stage: str) -> None:
    """Lambda writes last lines after the stack's end, and a stack of the same name could not create the log.

    https://github.com/aws/aws-cdk/issues/11549
    """
    (denied,) = statements(stage, "Deny")
    assert (denied["Action"], denied["Resource"]) == ("logs:CreateLogGroup", "*")


def test_nothing_is_public() -> None:
    """No bucket, no function address, no open route; and queues have no policy but the one that denies (below)."""
    for name in resources("AWS::S3::Bucket"):
        block = properties(name)["PublicAccessBlockConfiguration"]
        assert block == dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
        )
        assert properties(name)["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    for kind in ("AWS::Lambda::Url", "AWS::SQS::QueueInlinePolicy", "AWS::Serverless::HttpApi", "AWS::Serverless::Api"):
        assert not resources(kind)


@pytest.mark.parametrize("name", sorted(resources("AWS::S3::Bucket")))
def test_buckets_refuse_what_is_not_encrypted_on_the_way(name: str) -> None:
    """The one statement of a bucket's policy denies everything without TLS."""
    (policy,) = [
        found["Properties"]
        for found in resources("AWS::S3::BucketPolicy").values()
        if referred(found["Properties"]["Bucket"]) == {name}
    ]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@pytest.mark.parametrize("name", sorted(resources("AWS::SQS::Queue")))
def test_queues_refuse_what_is_not_encrypted_on_the_way(name: str) -> None:
    """The one statement of a queue's one policy denies everything without TLS, and so gives nobody a right.

    One policy, since another for the same queue would overwrite it. SQS refuses a statement that names several
    queues; "*" is the queue that the policy is written to.
    """
    (policy,) = [
        found["Properties"]
        for found in resources("AWS::SQS::QueuePolicy").values()
        if {"Ref": name} in found["Properties"]["Queues"]
    ]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == "*"


@pytest.mark.parametrize("name", sorted(resources("AWS::Lambda::Permission")))
def test_only_this_stack_invokes_its_functions(name: str) -> None:
    """A permission names the caller's own resource, and for S3 the account (a bucket's name could change hands)."""
    permission = properties(name)
    assert permission["Principal"] in ("s3.amazonaws.com", "apigateway.amazonaws.com")
    assert referred(permission["SourceArn"]) <= {"ArchiveBucket", "FailuresBucket", "HttpApi"}
    assert referred(permission["SourceArn"])
    if permission["Principal"] == "s3.amazonaws.com":
        assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


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
