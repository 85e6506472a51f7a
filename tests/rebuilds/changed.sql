-- The rows of the definition as tests/rebuilds/edits.py leaves it, on the tables and macros of local/demo/recompute.sql.

create view changed_carrier_hours as
select
    carrier as first, hour_label as second,
    count(*) as "~n",
    count(*) filter (landed) as landings,
    sum_of(case when landed then distance end) as miles,
    sum_of(air_time) as air_minutes,
    sum_of(arr_delay) as arrival_delay_total,
    count(arr_delay) as arrival_delay_count
from flights
group by carrier, hour_label;

create view changed_dest_days as
select
    split_part(route, '-', 2) as first, day_label as second,
    count(*) as "~n",
    count(*) filter (landed) as landings,
    sum_of(case when landed then distance end) as miles,
    sum_of(air_time) as air_minutes,
    sum_of(arr_delay) as arrival_delay_total,
    count(arr_delay) as arrival_delay_count
from flights
group by split_part(route, '-', 2), day_label;

create view changed_origin_days as
select origin as first, day as second, * exclude (pk, sk, origin, day) from origin_days;

create view changed_route_months as
select
    split_part(route, '-', 2) || ' from ' || split_part(route, '-', 1) as first, month as second,
    * exclude (pk, sk, route, month)
from route_months;
