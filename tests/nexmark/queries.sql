-- The queries of Nexmark (https://github.com/nexmark/nexmark) in DuckDB's SQL, over the bids that exist at the end.
-- The views and macros come first; then each query follows a line with its name.
CREATE MACRO tumbling(time) AS make_timestamp(epoch_ms(time) // 10000 * 10000000);
CREATE MACRO hopping(time) AS unnest([make_timestamp((epoch_ms(time) // 2000 * 2 - 2 * back) * 1000000) for back in range(5)]);
CREATE VIEW ranked AS
SELECT *, strftime(moment, '%Y-%m-%d') AS day, strftime(moment, '%H:%M') AS minute,
    price < 10000 AS low, price >= 10000 AND price < 1000000 AS middle, price >= 1000000 AS high
FROM bids;
CREATE MACRO time_type(h) AS
    CASE WHEN h <= 6 OR h >= 20 THEN 'nightTime' WHEN h BETWEEN 8 AND 18 THEN 'dayTime' ELSE 'otherTime' END;

-- q0
SELECT auction, bidder, price, dateTime, extra FROM bids

-- q1
SELECT auction, bidder, 0.908 * price, dateTime, extra FROM bids

-- q2
SELECT auction, price FROM bids WHERE auction % 123 = 0

-- q5
WITH hops AS (SELECT auction, hopping(moment) AS start FROM bids),
counted AS (SELECT start, auction, count(*) AS number FROM hops GROUP BY start, auction)
SELECT start, auction, number FROM counted QUALIFY number = max(number) OVER (PARTITION BY start)

-- q7
SELECT tumbling(moment) AS start, auction, price, bidder FROM bids
QUALIFY price = max(price) OVER (PARTITION BY start)

-- q10
SELECT auction, bidder, price, dateTime, extra, day, minute FROM ranked

-- q12
SELECT bidder, count(*), tumbling(received_at) AS start FROM bids GROUP BY bidder, start

-- q13
SELECT auction, bidder, price, dateTime, value FROM bids JOIN side_input ON auction % 10000 = key

-- q14
SELECT auction, bidder, 0.908 * price, time_type(hour(moment)), dateTime, extra,
    length(extra) - length(replace(extra, 'c', ''))
FROM bids WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000

-- q15
SELECT day, count(*), count(*) FILTER (WHERE low), count(*) FILTER (WHERE middle), count(*) FILTER (WHERE high),
    count(DISTINCT bidder), count(DISTINCT bidder) FILTER (WHERE low), count(DISTINCT bidder) FILTER (WHERE middle),
    count(DISTINCT bidder) FILTER (WHERE high),
    count(DISTINCT auction), count(DISTINCT auction) FILTER (WHERE low), count(DISTINCT auction) FILTER (WHERE middle),
    count(DISTINCT auction) FILTER (WHERE high)
FROM ranked GROUP BY day

-- q16
SELECT channel, day, max(minute),
    count(*), count(*) FILTER (WHERE low), count(*) FILTER (WHERE middle), count(*) FILTER (WHERE high),
    count(DISTINCT bidder), count(DISTINCT bidder) FILTER (WHERE low), count(DISTINCT bidder) FILTER (WHERE middle),
    count(DISTINCT bidder) FILTER (WHERE high),
    count(DISTINCT auction), count(DISTINCT auction) FILTER (WHERE low), count(DISTINCT auction) FILTER (WHERE middle),
    count(DISTINCT auction) FILTER (WHERE high)
FROM ranked GROUP BY channel, day

-- q17
SELECT auction, day, count(*), count(*) FILTER (WHERE low), count(*) FILTER (WHERE middle),
    count(*) FILTER (WHERE high), min(price), max(price), sum(price)
FROM ranked GROUP BY auction, day

-- q18
SELECT bidder, auction, price, channel, url, dateTime FROM bids
QUALIFY 1 = row_number() OVER (
    PARTITION BY bidder, auction ORDER BY dateTime DESC, price DESC, channel DESC, url DESC
)

-- q19
SELECT auction, price, bidder, row_number() OVER (PARTITION BY auction ORDER BY price DESC, bidder DESC) AS rank
FROM bids QUALIFY rank <= 10

-- q21
SELECT auction, bidder, price, channel,
    CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
    ELSE regexp_extract(url, '(&|^)channel_id=([^&]*)', 2) END
FROM bids
WHERE regexp_matches(url, '(&|^)channel_id=') OR lower(channel) IN ('apple', 'google', 'facebook', 'baidu')

-- q22
SELECT auction, bidder, price, channel, split_part(url, '/', 4), split_part(url, '/', 5), split_part(url, '/', 6)
FROM bids
