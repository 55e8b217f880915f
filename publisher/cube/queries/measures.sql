-- Write the N-Triples of the quantities that indicator reports refer to; equal values of a KPI share one quantity.
-- In:  observations and kpis as in observations.sql; macro plain(number); parameters is_quantity, number, string
-- Out: text VARCHAR, the lines of one quantity; lines BIGINT
-- Cost: one scan, and a hash and a sort of the distinct values of each KPI, which spill to disk
SELECT concat('<', measure, n, '> ', $is_quantity, '<', measure, n, '> ', $number, n, $string) AS text, 2::BIGINT AS lines
FROM (
    SELECT DISTINCT k.measure, plain(o.value) AS n
    FROM observations o JOIN kpis k ON k.code = o.kpi
    WHERE o.sex = 'T' AND o.age_group = 'T' AND o.value IS NOT NULL
)
-- A hash leaves no order, and the same content shall give the same bytes.
ORDER BY ALL
