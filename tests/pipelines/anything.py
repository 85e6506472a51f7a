"""A third pipeline: things of any shape, for what the table alone decides."""

from tailrace import Collection, Pipeline

things = Collection("things", schema={"type": "object"})

pipeline = Pipeline(collections=[things])
