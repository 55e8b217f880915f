-- Check IC-12: find the observations that share their values for all dimensions with other observations.
-- In:  {relation}, observations; {cells}, the columns that identify an observation; {key}, expressions that are equal
--      for equal terms of the dimensions; {limit}
-- Out: the cells; number of observations with these cells; number of violating observations in total
-- Cost: linear, by hash
WITH keyed AS (SELECT {cells}, row({key}) AS key_values FROM {relation}),
duplicates AS (SELECT key_values, count(*) AS number FROM keyed GROUP BY key_values HAVING count(*) > 1)
SELECT {cells}, count(*), (SELECT sum(number) FROM duplicates)::BIGINT
FROM keyed WHERE key_values IN (SELECT key_values FROM duplicates)
GROUP BY ALL ORDER BY ALL LIMIT {limit}
