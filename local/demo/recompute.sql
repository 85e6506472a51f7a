-- The stack's expected contents, computed from the source file alone, without any code of the engine or the pipeline.
-- Input: the table `lines (number, line)`, which is the raw file, and `first_days`, the number of days to include.

create view fields as
select number, string_split(line, ',') as f from lines where number > 1 and line is not null;

-- The rules of local/demo/flights.py, restated. `try_cast` turns NA into NULL and never fails on rows that the conditions drop.
create view readable as
select
    number,
    f[1] as year, f[2] as month, f[3] as day,
    try_cast(f[4] as integer) as dep_time,
    try_cast(f[5] as integer) as sched_dep_time,
    try_cast(f[6] as integer) as dep_delay,
    try_cast(f[7] as integer) as arr_time,
    try_cast(f[8] as integer) as sched_arr_time,
    try_cast(f[9] as integer) as arr_delay,
    f[10] as carrier,
    try_cast(f[11] as integer) as flight,
    f[13] as origin,
    f[14] as dest,
    try_cast(f[15] as integer) as air_time,
    try_cast(f[16] as integer) as distance,
    try_cast(f[17] as integer) as hour,
    try_cast(f[18] as integer) as minute,
    try_cast(f[19] as timestamptz) as utc_hour
from fields
where len(f) = 19
    and regexp_full_match(f[1], '(19|20)[0-9]{2}')
    and regexp_full_match(f[2], '[0-9]{1,2}')
    and regexp_full_match(f[3], '[0-9]{1,2}')
    and regexp_full_match(f[4], 'NA|[0-9]{1,4}')
    and regexp_full_match(f[5], '[0-9]{1,4}')
    and regexp_full_match(f[6], 'NA|-?[0-9]{1,4}')
    and regexp_full_match(f[7], 'NA|[0-9]{1,4}')
    and regexp_full_match(f[8], '[0-9]{1,4}')
    and regexp_full_match(f[9], 'NA|-?[0-9]{1,4}')
    and regexp_full_match(f[10], '[A-Z0-9]{2}')
    and regexp_full_match(f[11], '[0-9]{1,4}')
    and regexp_full_match(f[12], '[A-Z0-9]{1,6}')
    and regexp_full_match(f[13], '[A-Z]{3}')
    and regexp_full_match(f[14], '[A-Z]{3}')
    and regexp_full_match(f[15], 'NA|[0-9]{1,4}')
    and regexp_full_match(f[16], '[0-9]{1,5}')
    and regexp_full_match(f[17], '[0-9]{1,2}')
    and regexp_full_match(f[18], '[0-9]{1,2}')
    and regexp_full_match(f[19], '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z');

create view consistent as
select
    *,
    timezone('America/New_York', utc_hour) as local_hour,
    timezone('UTC', utc_hour) as plain_utc_hour
from readable
where coalesce(greatest(dep_time, arr_time, sched_arr_time), 0) <= 2400
    and minute <= 59
    and hour * 100 + minute = sched_dep_time
    and (dep_time is null) = (dep_delay is null)
    and (arr_delay is null) = (air_time is null)
    and (arr_time is null or dep_time is not null)
    and (arr_delay is null or arr_time is not null)
    and utc_hour is not null;

-- A flight is identified by carrier, number, day and origin; its first row wins.
create view every_flight as
select *
from (
    select
        *,
        cast(local_hour as date) as on_day,
        row_number() over (partition by carrier, flight, cast(local_hour as date), origin order by number) as occurrence
    from consistent
    where extract('year' from local_hour) = cast(year as integer)
        and extract('month' from local_hour) = cast(month as integer)
        and extract('day' from local_hour) = cast(day as integer)
        and extract('hour' from local_hour) = hour
)
where occurrence = 1;

create table flights as
select
    *,
    strftime(on_day, '%Y-%m-%d') || '-' || carrier || '-' || flight || '-' || origin as id,
    origin || '-' || dest as route,
    strftime(on_day, '%Y-%m-%d') as day_label,
    strftime(on_day, '%Y-%m') as month_label,
    -- New York is always behind UTC
    strftime(local_hour, '%Y-%m-%dT%H:00') || '-' || printf('%02d:00', date_diff('hour', local_hour, plain_utc_hour)) as hour_label,
    dep_delay is not null as departed,
    arr_time is not null as landed,
    dep_delay is null as cancelled
from every_flight
where on_day in (select distinct on_day from every_flight order by on_day limit getvariable('first_days'));

create macro sum_of(x) as cast(coalesce(sum(x), 0) as hugeint);

create view carrier_hours as
select
    'carrier_hours@1#' || carrier as pk, hour_label as sk,
    carrier, hour_label as hour,
    count(*) as "~n",
    count(*) as flights,
    count(*) filter (departed) as departures,
    count(*) filter (cancelled) as cancellations,
    sum_of(dep_delay) as departure_delay_total,
    count(dep_delay) as departure_delay_count,
    sum_of(dep_delay) as departure_delay_variance_total,
    count(dep_delay) as departure_delay_variance_count,
    sum_of(dep_delay * dep_delay) as departure_delay_variance_squares
from flights
group by carrier, hour_label;

create view origin_days as
select
    'origin_days@1#' || origin as pk, day_label as sk,
    origin, day_label as day,
    count(*) as "~n",
    count(*) as flights,
    count(*) filter (departed) as departures,
    count(*) filter (cancelled) as cancellations,
    sum_of(dep_delay) as departure_delay_total,
    count(dep_delay) as departure_delay_count,
    sum_of(dep_delay) as departure_delay_variance_total,
    count(dep_delay) as departure_delay_variance_count,
    sum_of(dep_delay * dep_delay) as departure_delay_variance_squares
from flights
group by origin, day_label;

create view route_months as
select
    'route_months@1#' || route as pk, month_label as sk,
    route, month_label as month,
    count(*) as "~n",
    count(*) as flights,
    count(*) filter (departed) as departures,
    count(*) filter (cancelled) as cancellations,
    sum_of(dep_delay) as departure_delay_total,
    count(dep_delay) as departure_delay_count,
    sum_of(dep_delay) as departure_delay_variance_total,
    count(dep_delay) as departure_delay_variance_count,
    sum_of(dep_delay * dep_delay) as departure_delay_variance_squares,
    count(*) filter (landed) as landings,
    sum_of(case when landed then distance end) as miles,
    sum_of(air_time) as air_minutes,
    sum_of(arr_delay) as arrival_delay_total,
    count(arr_delay) as arrival_delay_count
from flights
group by route, month_label;

-- One row per change of a flight: one write to the table, one event in the archive.
create view events as
select id, 'inserted' as kind, 'scheduled' as status, null::integer as departure_delay, null::integer as arrival_delay, false as late
from flights
union all
select id, 'modified', 'cancelled', null, null, true from flights where cancelled
union all
select id, 'modified', 'departed', dep_delay, null, dep_delay > 120 from flights where departed
union all
-- the route gets an event if the flight was late before the change or is late after it
select id, 'modified', 'landed', dep_delay, arr_delay, dep_delay > 120 or coalesce(arr_delay > 120, false)
from flights where landed;
