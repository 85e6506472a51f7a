"""Data is encrypted, restorable, outlives the stack and does not pile up for ever."""

import pytest

from tests.architecture.parameters import deployed
from tests.architecture.stack import FUNCTIONS, function_id, properties, referred, resources, template

# What needs no copies, since it only remembers what has been answered, or seen, of late. With WriteBehindSeconds, the
# progress table alone says what was acknowledged and not committed: where a row is lost, aggregates cease to be exact.
PASSING = {"IdempotencyTable", "ProgressTable"}
TABLES = sorted(resources("AWS::DynamoDB::Table").keys() - PASSING)
BUCKETS = sorted(resources("AWS::S3::Bucket"))
QUEUES = sorted(resources("AWS::SQS::Queue"))


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_on_demand_and_restorable(name: str) -> None:
    """No capacity to plan, and any second of the last 35 days can be had back."""
    table = properties(name)
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("name", sorted(PASSING))
def test_what_may_be_lost_passes_by_itself(name: str) -> None:
    """No copies, no bill when the stack is gone, and no row that stays for ever."""
    assert properties(name)["BillingMode"] == "PAY_PER_REQUEST"
    assert properties(name)["TimeToLiveSpecification"]["Enabled"] is True
    assert template()["Resources"][name]["DeletionPolicy"] == "Delete"


@pytest.mark.parametrize("name", ["ItemsTable", "AggregatesTable"])
def test_items_and_rows_expire_by_the_same_attribute(name: str) -> None:
    """expires_at is what upstream sets on an item and what `keep` sets on a row."""
    assert properties(name)["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize("name", TABLES + BUCKETS + QUEUES)
def test_data_outlives_the_stack(name: str) -> None:
    """Except when the first deployment fails, where it would only be in the way of the second."""
    resource = deployed()[name]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


EXPIRING = {
    "ArchiveBucket": ["checkpoints/"],
    "FailuresBucket": ["oversize/"],
    "HistoryBucket": ["journal/", "jobs/", "reports/"],
}


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_encrypted_and_keep_no_leftovers(name: str) -> None:
    """Versions protect from a mistake, and go after a while, as unfinished uploads do."""
    bucket = deployed()[name]["Properties"]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    # what is current is the user's, and is never removed by itself; but for what only messages or jobs refer to
    expiring = [rule for rule in rules if "ExpirationInDays" in rule or "ExpirationDate" in rule]
    assert [rule["Prefix"] for rule in expiring] == EXPIRING.get(name, [])


def test_oversize_data_outlive_the_messages_that_refer_to_them() -> None:
    """A message may be dead for as long as it can, and be put back, and die once more; then nothing refers to them."""
    queues = [properties(name) for name in resources("AWS::SQS::Queue")]
    longest = 3 * max(queue["MessageRetentionPeriod"] for queue in queues) // 86_400
    (days,) = [
        rule["ExpirationInDays"]
        for rule in properties("FailuresBucket")["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "oversize/"
    ]
    assert longest <= days <= 120


@pytest.mark.parametrize("name", sorted(resources("AWS::Logs::LogGroup")))
def test_logs_have_an_end(name: str) -> None:
    """The default of a log group is to keep everything for ever."""
    assert properties(name)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_the_apis_log_needs_no_entry_of_its_own_in_the_accounts_policy() -> None:
    """Which holds some twenty of them (AWS-logs-and-resource-policy, "size limit considerations")."""
    assert properties("ApiAccessLog")["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")


@pytest.mark.parametrize("stage", FUNCTIONS)
def test_each_function_logs_to_its_own_group(stage: str) -> None:
    """One that the stack owns, not one that Lambda makes and nobody removes."""
    assert referred(properties(function_id(stage))["LoggingConfig"]["LogGroup"]) == {f"{stage.capitalize()}Log"}
