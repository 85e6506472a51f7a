"""A pipeline with the maximum number of attributes in a row, with long names."""

from tailrace import Aggregate, Collection, Pipeline, field, mean

things = Collection("things", schema={})

pipeline = Pipeline(
    collections=[things],
    aggregates=[
        Aggregate(
            "wide",
            of=things,
            by=[field("shop")],
            measures={f"{'m' * 60}{number}": mean(f"f{number}") for number in range(99)},
        )
    ],
)
