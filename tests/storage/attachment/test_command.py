"""`tailrace check` on tables of DynamoDB Local, and with rights taken away."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from cli import __main__ as command
from tailrace.encoding.dynamodb import encode_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ITEMS: list[dict[str, Any]] = [
    {"PK": "CUSTOMER#c-1", "SK": "PROFILE", "email": "a@b"},
    {"PK": "CUSTOMER#c-1", "SK": "ORDER#1", "placed": "2026-01-01", "status": "open", "amount": 3},
    {"PK": "CUSTOMER#c-1", "SK": "ORDER#1#LINE#1", "product": "x", "units": 2},
    {"PK": "COUPON#1", "SK": "COUPON"},
]


class Gate(ThreadingHTTPServer):
    """Passes requests on to DynamoDB Local, but for denied operations; it remembers what it was asked."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url, self.behind = f"http://127.0.0.1:{self.server_port}", behind
        self.errors: dict[str, str] = {}
        self.encryption: dict[str, Any] = {}
        self.key_manager = "CUSTOMER"
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Gate

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        self.server.asked.append(operation)
        if code := self.server.errors.get(operation):
            status, answer = 400, json.dumps({"__type": f"com.amazon#{code}", "message": "own words"}).encode()
        elif operation == "DescribeKey":
            status, answer = 200, json.dumps({"KeyMetadata": {"KeyManager": self.server.key_manager}}).encode()
        elif operation == "DescribeTable" and self.server.encryption:
            found = json.loads(urllib3.request("POST", self.server.behind, body=body, headers=dict(self.headers)).data)
            found["Table"]["SSEDescription"] = self.server.encryption
            status, answer = 200, json.dumps(found).encode()
        else:
            found = urllib3.request("POST", self.server.behind, body=body, headers=dict(self.headers))
            status, answer = found.status, found.data
        self.send_response(status)
        self.send_header("x-amzn-RequestId", "1")  # as AWS names each request
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def gate(dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "TAILRACE_PIPELINE"):
        monkeypatch.delenv(name, raising=False)
    server = Gate(dynamodb_endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shop(dynamodb: "DynamoDBClient", table: Callable[..., str]) -> str:
    """Return a table with a stream and four items, one of which is of no collection."""
    name = table("PK", "SK")
    for item in ITEMS:
        dynamodb.put_item(TableName=name, Item=encode_item(item))
    enable(dynamodb, name, "NEW_AND_OLD_IMAGES")
    return name


def enable(dynamodb: "DynamoDBClient", table: str, view: Any) -> None:
    dynamodb.update_table(TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": view})


@pytest.fixture
def check(gate: Gate, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return the command; it returns its exit status, and what it prints."""

    def run(table: str, *arguments: str, pipeline: str = "tests.pipelines.shop:pipeline") -> tuple[int, str]:
        given = ["check", "--table", table, "--endpoint-url", gate.url, "--pipeline", pipeline, *arguments]
        status = command.main(given)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_a_table_that_fits(check: Callable[..., tuple[int, str]], gate: Gate, shop: str) -> None:
    status, said = check(shop)
    assert status == 0, said
    assert f"A stack can be attached to table '{shop}' in us-east-1: deploy it with ItemsTableName={shop} " in said
    assert "/stream/" in said
    assert "Pipeline=tests.pipelines.shop:pipeline" in said
    assert set(gate.asked) == {"DescribeTable", "DescribeTimeToLive", "DescribeStream"}


def test_a_sample_tells_what_becomes_of_the_items(
    check: Callable[..., tuple[int, str]], gate: Gate, shop: str, dynamodb: "DynamoDBClient"
) -> None:
    status, said = check(shop, "--sample", "100")
    assert status == 0, said
    assert "sample  4 items" in said
    assert "customers: 1 item\n" in said
    assert 'are left alone, 1 of 4 in the sample, such as {"PK":"COUPON#1","SK":"COUPON"}.' in said
    assert set(gate.asked) == {"DescribeTable", "DescribeTimeToLive", "DescribeStream", "Scan"}
    dynamodb.put_item(TableName=shop, Item=encode_item(ITEMS[1] | {"SK": "ORDER#2", "amount": "three"}))
    status, said = check(shop, "--sample", "100")
    assert status == 1
    assert "BROKEN  Items of 'orders' are invalid and would go to quarantine, 1 of 2 in the sample, such as" in said
    assert "/amount" in said
    assert "can be attached to table" in said.splitlines()[-1]
    assert ", but not all of its items fit the definition: deploy it with" in said.splitlines()[-1]


KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize("manager", ["AWS", "CUSTOMER"])
def test_a_key_of_ones_own_is_among_the_parameters(
    check: Callable[..., tuple[int, str]], gate: Gate, shop: str, manager: str
) -> None:
    gate.encryption = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}
    gate.key_manager = manager
    status, said = check(shop)
    assert (status, f"ItemsTableKeyArn={KEY}" in said) == (0, manager == "CUSTOMER")
    gate.errors["DescribeKey"] = "AccessDeniedException"
    status, said = check(shop)
    assert status == 0
    assert f"note    These credentials lack kms:DescribeKey on {KEY}, so whether you manage the table's key" in said


def test_a_stream_of_keys(check: Callable[..., tuple[int, str]], table: Callable[..., str], dynamodb: Any) -> None:
    name = table("PK", "SK")
    enable(dynamodb, name, "KEYS_ONLY")
    status, said = check(name)
    assert status == 1
    assert f"BROKEN  The stream of table '{name}' carries only keys" in said


def test_other_keys_are_one_finding_whatever_the_sample(check: Callable[..., tuple[int, str]], shop: str) -> None:
    status, said = check(shop, "--sample", "10", pipeline="tests.pipelines.orders:pipeline")
    assert status == 1
    assert said.count("BROKEN") == 1
    assert "collections without key= need 'pk' (text)" in said


def test_a_key_of_another_type_is_one_finding_as_well(
    check: Callable[..., tuple[int, str]], dynamodb: "DynamoDBClient"
) -> None:
    dynamodb.create_table(
        TableName="numbered",
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "PK", "AttributeType": "S"},
            {"AttributeName": "SK", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    try:
        dynamodb.put_item(TableName="numbered", Item={"PK": {"S": "CUSTOMER#1"}, "SK": {"N": "7"}})
        status, said = check("numbered", "--sample", "10")
    finally:
        dynamodb.delete_table(TableName="numbered")
    assert status == 1
    assert said.count("BROKEN") == 1
    assert "is 'PK' (text) and 'SK' (number), but key= of the definition is 'PK' (text) and 'SK' (text)" in said


def test_the_stream_of_another_region(check: Callable[..., tuple[int, str]], shop: str) -> None:
    stream = f"arn:aws:dynamodb:eu-west-1:000000000000:table/{shop}/stream/2026"
    status, said = check(shop, "--stream", stream)
    assert status == 1
    assert "--stream is a stream of region eu-west-1, but " in said


def test_no_such_table(check: Callable[..., tuple[int, str]]) -> None:
    status, said = check("missing", "--sample", "10")
    assert status == 1
    assert "There is no table 'missing' in region us-east-1: " in said


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("DescribeTable", "dynamodb:DescribeTable on arn:aws:dynamodb:us-east-1:*:table/"),
        ("DescribeStream", "dynamodb:DescribeStream on arn:aws:dynamodb:ddblocal:000000000000:table/"),
        ("Scan", "dynamodb:Scan on arn:aws:dynamodb:ddblocal:000000000000:table/"),
    ],
)
def test_a_missing_right_is_named(
    check: Callable[..., tuple[int, str]], gate: Gate, shop: str, operation: str, action: str
) -> None:
    gate.errors[operation] = "AccessDeniedException"
    status, said = check(shop, "--sample", "10")
    assert status == 1
    assert f"BROKEN  These credentials lack {action}{shop}" in said
    assert "grant it to them, or pass another --profile" in said
    assert said.endswith(f"Cannot tell whether a stack can be attached to table '{shop}' in us-east-1.\n")


def test_a_right_that_is_needed_for_less_is_a_note(
    check: Callable[..., tuple[int, str]], gate: Gate, shop: str
) -> None:
    gate.errors["DescribeTimeToLive"] = "AccessDeniedException"
    status, said = check(shop)
    assert status == 0
    assert "note    These credentials lack dynamodb:DescribeTimeToLive on" in said


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredTokenException", "The AWS credentials have expired"),
        ("UnrecognizedClientException", "AWS rejects these credentials"),
        ("ValidationException", "DescribeTable failed: ValidationException: own words"),
    ],
)
def test_other_errors_are_one_sentence(
    check: Callable[..., tuple[int, str]], gate: Gate, shop: str, code: str, told: str
) -> None:
    gate.errors["DescribeTable"] = code
    status, said = check(shop)
    assert status == 1
    assert said.startswith(f"tailrace: {told}")
    assert "Traceback" not in said


def test_nothing_listens(check: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    status, said = check("table", "--endpoint-url", address)
    assert (status, said.startswith("tailrace: Cannot reach AWS")) == (1, True)


@pytest.mark.parametrize("sample", ["0", "-1", "x", "1.5"])
def test_invalid_arguments(check: Callable[..., tuple[int, str]], sample: str) -> None:
    with pytest.raises(SystemExit) as raised:
        check("table", "--sample", sample)
    assert raised.value.code == 2


def test_the_report_as_json(check: Callable[..., tuple[int, str]], shop: str) -> None:
    status, said = check(shop, "--sample", "3", "--json")
    document = json.loads(said)
    assert (status, document["fits"], document["errors"], document["sample"]["items"]) == (0, True, [], 3)
    assert document["parameters"]["ItemsTableName"] == shop
    assert {one["name"] for one in document["sample"]["collections"]} == {"customers", "orders", "lines"}
