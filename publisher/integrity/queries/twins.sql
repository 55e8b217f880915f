-- IC-12: the observations that have their values for all dimensions in common with others.
-- In:  {relation}, observations; {cells}, the columns that name an observation; {key}, expressions that are equal
--      where the values of the dimensions are; {limit}
-- Out: the cells; how many observations have these cells; how many observations are at fault in all
-- Cost: linear, by hash
WITH keyed AS (SELECT {cells}, row({key}) AS own FROM {relation}),
twins AS (SELECT own, count(*) AS number FROM keyed GROUP BY own HAVING count(*) > 1)
SELECT {cells}, count(*), (SELECT sum(number) FROM twins)::BIGINT
FROM keyed WHERE own IN (SELECT own FROM twins)
GROUP BY ALL ORDER BY ALL LIMIT {limit}
