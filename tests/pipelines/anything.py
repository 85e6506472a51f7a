"""A pipeline for items of any shape, for tests of DynamoDB's own limits."""

from tailrace import Collection, Pipeline

things = Collection("things", schema={"type": "object"})

pipeline = Pipeline(collections=[things])
