"""The pipeline definition: collections, aggregates and routes.

Replace this example with your own items; a definition imports everything it needs from ``tailrace``.
"""

from pipeline.transforms import has_departed, has_landed, is_cancelled, is_disrupted, normalise
from tailrace import Aggregate, Collection, Pipeline, Route, count, day, field, hour, mean, month, total, variance

NEW_YORK = "America/New_York"
"""All flights of the example depart from New York, so hours, days and months are in its local time."""

flights = Collection(
    "flights",
    schema="schemas/flight.schema.json",
    transform=normalise,
    description="Flights from New York, updated as they are scheduled, depart, land or are cancelled.",
)

punctuality = {
    "flights": count(description="Flights of any kind."),
    "departures": count(where=has_departed),
    "cancellations": count(where=is_cancelled),
    "departure_delay": mean("departure_delay", where=has_departed, unit="min", description="Negative when early."),
    "departure_delay_variance": variance("departure_delay", where=has_departed, unit="min²"),
}

traffic = {
    "landings": count(where=has_landed),
    "miles": total("distance", where=has_landed, unit="mi"),
    "air_minutes": total("air_time", unit="min"),
    "arrival_delay": mean("arrival_delay", unit="min", description="Negative when early."),
}

pipeline = Pipeline(
    collections=[flights],
    aggregates=[
        Aggregate(
            "carrier_hours",
            of=flights,
            by=[field("carrier"), hour("scheduled_departure", tz=NEW_YORK)],
            measures=punctuality,
            description="Punctuality of each airline, by hour of scheduled departure.",
        ),
        Aggregate(
            "origin_days",
            of=flights,
            by=[field("origin"), day("scheduled_departure", tz=NEW_YORK)],
            measures=punctuality,
            description="Punctuality at each airport, by day.",
        ),
        Aggregate(
            "route_months",
            of=flights,
            by=[field("route"), month("scheduled_departure", tz=NEW_YORK)],
            measures=punctuality | traffic,
            description="Punctuality and traffic of each route, by month.",
        ),
    ],
    routes=[Route("disruptions", of=flights, when=is_disrupted)],
)
