"""The table that a stack is attached to is described with the rights that there are; errors are told by their codes."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tailrace.attachment.facts import Denied, Described
from tailrace.aws.custom_resources.table_check import check_attached, describe
from tailrace.errors import Permanent, Transient, UnfitTable
from tests.unit.attachment.tables import ARN, KEY, NO_TTL, OLD, ON, PIPELINE, STREAM, TABLE, WANTED
from tests.unit.aws.custom_resources.table_services import ANSWERS, PROPERTIES, Service, failure


def described(service: Any, kms: bool = False, **changed: Any) -> Described:
    wanted = type(WANTED)(**{name: getattr(WANTED, name) for name in WANTED.__struct_fields__} | changed)
    return describe(service, service, wanted, kms=(lambda: service) if kms else None)


def test_all_that_is_known_of_a_table() -> None:
    service = Service()
    assert described(service) == Described(TABLE, ON, time_to_live=NO_TTL)
    requests = dict(service.asked)
    assert requests["describe_stream"]["StreamArn"] == STREAM
    assert requests["scan"] == {"TableName": "shop", "Limit": 1}


def test_it_is_not_read_by_those_who_need_not() -> None:
    service = Service()
    assert describe(service, service, WANTED, reads=False) == Described(TABLE, ON, time_to_live=NO_TTL)  # type: ignore[arg-type]
    assert "scan" not in dict(service.asked)


def test_without_a_stream_the_latest_is_described() -> None:
    service = Service()
    described(service, stream_arn=None)
    assert dict(service.asked)["describe_stream"]["StreamArn"] == STREAM


@pytest.mark.parametrize(
    "arn", [STREAM.replace("eu-west-1", "us-east-1"), STREAM.replace("/shop/", "/other/"), "nonsense", "", ARN]
)
def test_a_stream_that_is_not_of_this_table_is_not_asked_for(arn: str) -> None:
    """DynamoDB would refuse the request, with no better reason."""
    service = Service()
    assert not described(service, stream_arn=arn).stream_is_gone
    assert "describe_stream" not in dict(service.asked)


def test_a_table_that_does_not_exist_is_asked_for_nothing_else() -> None:
    service = Service(describe_table=failure("ResourceNotFoundException"))
    assert described(service) == Described()
    assert [name for name, _ in service.asked] == ["describe_table"]


def test_a_stream_that_is_gone() -> None:
    service = Service(describe_stream=failure("ResourceNotFoundException"))
    assert described(service, stream_arn=OLD).stream_is_gone


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"])
def test_whatever_is_denied_is_noted_and_the_rest_is_asked(code: str) -> None:
    service = Service(**dict.fromkeys(ANSWERS, failure(code)))
    assert described(service).denied == (
        Denied("dynamodb:DescribeTable", ARN),
        Denied("dynamodb:DescribeTimeToLive", ARN),
        Denied("dynamodb:Scan", ARN),
        Denied("dynamodb:DescribeStream", STREAM),
    )


def test_who_manages_the_key() -> None:
    sse = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}
    encrypted = {"Table": TABLE | {"SSEDescription": sse}}
    assert described(Service(describe_table=encrypted)).key_manager is None
    assert described(Service(describe_table=encrypted), kms=True).key_manager == "CUSTOMER"
    assert described(Service(), kms=True).key_manager is None
    denied = described(Service(describe_table=encrypted, describe_key=failure("AccessDeniedException")), kms=True)
    assert denied.denied == (Denied("kms:DescribeKey", KEY),)
    gone = described(Service(describe_table=encrypted, describe_key=failure("NotFoundException")), kms=True)
    assert (gone.denied, gone.key_manager) == ((), None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (failure("ThrottlingException", message="User is not authorized"), Transient),
        (failure("InternalServerError", 500), Transient),
        (failure("ValidationException", message="AccessDenied"), Permanent),
        (failure("ExpiredTokenException"), Permanent),
        (EndpointConnectionError(endpoint_url="x"), Transient),
    ],
)
def test_other_failures_are_no_missing_rights(error: Exception, kind: type[Exception]) -> None:
    """Whatever their message says."""
    with pytest.raises(kind):
        described(Service(describe_table=error))


def test_a_table_that_fits() -> None:
    service: Any = Service()
    pauses: list[float] = []
    assert check_attached(PIPELINE, PROPERTIES, service, service, pauses.append) == "fits"
    assert pauses == []


def test_what_to_know_of_a_table_that_fits() -> None:
    service: Any = Service(describe_table={"Table": TABLE | {"TableStatus": "UPDATING"}})
    assert "being updated" in check_attached(PIPELINE, PROPERTIES, service, service, lambda _: None)


def test_a_right_that_comes_late_is_waited_for() -> None:
    """IAM is eventually consistent, and the role is some seconds old."""
    service: Any = Service(scan=failure("AccessDeniedException"))
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            service.answers = ANSWERS

    assert check_attached(PIPELINE, PROPERTIES, service, service, sleep) == "fits"
    assert len(pauses) == 3


def test_a_right_that_does_not_come_fails_the_deployment() -> None:
    service: Any = Service(scan=failure("AccessDeniedException"))
    pauses: list[float] = []
    with pytest.raises(UnfitTable, match=f"The stack's history function lacks dynamodb:Scan on {ARN}: the template"):
        check_attached(PIPELINE, PROPERTIES, service, service, pauses.append)
    assert 20 < sum(pauses) < 60


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"StreamArn": STREAM.replace("eu-west-1", "us-east-1")}, "a stream of region us-east-1"),
        ({"StreamArn": OLD}, "an earlier stream"),
        ({"KeyArn": KEY}, None),
    ],
)
def test_the_parameters_of_the_stack_are_checked(properties: dict[str, str], told: str | None) -> None:
    service: Any = Service()
    if told is None:
        assert "leave ItemsTableKeyArn empty" in check_attached(PIPELINE, PROPERTIES | properties, service, service)
    else:
        with pytest.raises(UnfitTable, match=told):
            check_attached(PIPELINE, PROPERTIES | properties, service, service)


def test_more_than_fits_into_a_reason_is_cut_and_says_where_all_is() -> None:
    names = [f"{number}{'ü' * 200}" for number in range(2)]
    schema = [{"AttributeName": name, "KeyType": "HASH"} for name in names[:1]]
    table = TABLE | {
        "KeySchema": schema,
        "AttributeDefinitions": [{"AttributeName": names[0], "AttributeType": "N"}],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    }
    ttl = {"TimeToLiveStatus": "ENABLED", "AttributeName": names[1]}
    service: Any = Service(describe_table={"Table": table}, describe_time_to_live={"TimeToLiveDescription": ttl})
    with pytest.raises(UnfitTable) as raised:
        check_attached(PIPELINE, PROPERTIES, service, service)
    assert len(str(raised.value).encode()) <= 2000
    assert str(raised.value).endswith("1 more: `tailrace check --table shop` shows all.")
