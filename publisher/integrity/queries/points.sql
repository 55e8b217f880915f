-- IC-17: the observations at whose values for all dimensions but the measure dimension some measure is missing.
-- In:  {relation}, observations; {cells}, the columns that name an observation; {key}, expressions that are equal
--      where the values of the other dimensions are; {measure}, the same for the measure dimension; {measures}, how
--      many measures the cube has; {limit}
-- Out: the cells; how many observations have these cells; how many observations are at fault in all
-- Cost: linear, by hash
WITH keyed AS (SELECT {cells}, row({key}) AS own, {measure} AS measure FROM {relation}),
points AS (SELECT own, count(*) AS number FROM keyed GROUP BY own HAVING count(DISTINCT measure) <> {measures})
SELECT {cells}, count(*), (SELECT sum(number) FROM points)::BIGINT
FROM keyed WHERE own IN (SELECT own FROM points)
GROUP BY ALL ORDER BY ALL LIMIT {limit}
