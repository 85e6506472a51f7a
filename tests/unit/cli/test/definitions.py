"""The text around a tried definition, and trials of it."""

from cli.test.trial import Limits, Trial
from tailrace.definition.pipeline import load_pipeline

LIMITS = Limits(seconds=30, items=3000)
QUICK = Limits(seconds=30, items=200)

BEGINNING = """
import locale, os, random, time
from datetime import date, datetime
from tailrace import *

SCHEMA = {
    "type": "object",
    "required": ["shop", "amount"],
    "properties": {
        "shop": {"type": "string", "maxLength": 60},
        "amount": {"type": "integer", "minimum": 0, "maximum": 1000000},
        "placed": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}},
    },
    "additionalProperties": False,
}
transform = where = None
"""
END = """
orders = Collection("orders", schema=SCHEMA, transform=transform)
pipeline = Pipeline([orders], [
    Aggregate("shops", of=orders, by=[field("shop")], measures={"n": count(where=where), "sum": total("amount")}),
    Aggregate("days", of=orders, by=[day("placed")], measures={"most": maximum("amount"), "best": top("shop", 3)}),
])
"""


def tried(reference: str, limits: Limits = LIMITS) -> Trial:
    trial = Trial(load_pipeline(reference), limits)
    trial.run()
    return trial
