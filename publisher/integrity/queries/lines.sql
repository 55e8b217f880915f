-- How many lines observations.sql must write, from the columns alone, so that what its joins lose is seen.
-- In:  {relation}, the released observations
-- Out: one BIGINT
-- Cost: one scan of the columns that may be empty
-- Limits of an interval are said of every observation, as missing where they are, once any observation has one; a
-- report of CIDS has seven lines more, and is of everybody; those of a KPI with one value share a quantity of two lines.
SELECT 13 * count(*) + count(numerator) + count(denominator) + count(sample_size) + count(method) + count(note)
    + CASE WHEN count(ci_lower) + count(ci_upper) > 0 THEN 2 * count(*) ELSE 0 END
    + 7 * count(*) FILTER (WHERE sex = 'T' AND age_group = 'T' AND value IS NOT NULL)
    + 2 * count(DISTINCT (kpi, value)) FILTER (WHERE sex = 'T' AND age_group = 'T' AND value IS NOT NULL)
FROM {relation}
