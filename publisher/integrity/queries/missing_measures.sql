-- Check IC-17: find the observations for which some measure is missing at the values of all other dimensions.
-- In:  {relation}, observations; {cells}, the columns that identify an observation; {key}, expressions that are equal
--      for equal terms of the other dimensions; {measure}, such an expression for the measure dimension; {measures},
--      the number of measures of the cube; {limit}
-- Out: the cells; number of observations with these cells; number of violating observations in total
-- Cost: linear, by hash
WITH keyed AS (SELECT {cells}, row({key}) AS key_values, {measure} AS measure FROM {relation}),
incomplete AS (SELECT key_values, count(*) AS number FROM keyed GROUP BY key_values HAVING count(DISTINCT measure) <> {measures})
SELECT {cells}, count(*), (SELECT sum(number) FROM incomplete)::BIGINT
FROM keyed WHERE key_values IN (SELECT key_values FROM incomplete)
GROUP BY ALL ORDER BY ALL LIMIT {limit}
