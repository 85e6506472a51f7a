"""What is in the table, what is counted, and what goes where.

Replace this example by your own items; ``tailrace`` holds everything that a definition needs.
"""

from pipeline.transforms import has_departed, has_landed, is_cancelled, is_disrupted, normalise
from tailrace import Aggregate, Collection, Pipeline, Route, count, day, field, hour, mean, month, total, variance

NEW_YORK = "America/New_York"
"""All flights of the example leave from New York; their hours, days and months are counted as its clocks show them."""

flights = Collection("flights", schema="schemas/flight.schema.json", transform=normalise)

punctuality = {
    "flights": count(),
    "departures": count(where=has_departed),
    "cancellations": count(where=is_cancelled),
    "departure_delay": mean("departure_delay", where=has_departed),
    "departure_delay_variance": variance("departure_delay", where=has_departed),
}

traffic = {
    "landings": count(where=has_landed),
    "miles": total("distance", where=has_landed),
    "air_minutes": total("air_time"),
    "arrival_delay": mean("arrival_delay"),
}

pipeline = Pipeline(
    collections=[flights],
    aggregates=[
        Aggregate(
            "carrier_hours",
            of=flights,
            by=[field("carrier"), hour("scheduled_departure", tz=NEW_YORK)],
            measures=punctuality,
        ),
        Aggregate(
            "origin_days",
            of=flights,
            by=[field("origin"), day("scheduled_departure", tz=NEW_YORK)],
            measures=punctuality,
        ),
        Aggregate(
            "route_months",
            of=flights,
            by=[field("route"), month("scheduled_departure", tz=NEW_YORK)],
            measures=punctuality | traffic,
        ),
    ],
    routes=[Route("disruptions", of=flights, when=is_disrupted)],
)
