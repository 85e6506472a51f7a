// The example's definition in JavaScript: the transform, the route's predicate, and what is materialised.

const RENAMED = {
  dep_time: "departure_time",
  dep_delay: "departure_delay",
  sched_arr_time: "scheduled_arrival_time",
  arr_time: "arrival_time",
  arr_delay: "arrival_delay",
};
const LATE_MINUTES = 120;

const normalise = (item) => {
  if (item === undefined) return undefined;
  const flight = {};
  for (const name of Object.keys(item)) {
    if (name !== "pk") flight[RENAMED[name] ?? name] = item[name];
  }
  flight.route = `${item.origin}-${item.dest}`;
  return flight;
};

const isDisrupted = (flight) =>
  flight !== undefined &&
  (flight.status === "cancelled" || Math.max(flight.departure_delay ?? 0, flight.arrival_delay ?? 0) > LATE_MINUTES);

module.exports = { isDisrupted, normalise };
