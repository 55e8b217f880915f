-- Compute from the columns alone how many lines observations.sql must write, so that losses in its joins show.
-- In:  {relation}, the released observations
-- Out: one BIGINT
-- Cost: one scan of the columns that may be empty
-- If any observation has an interval, every observation states both bounds, as missing if necessary. A CIDS report, for
-- a total over sex and age, has seven more lines; equal values of a KPI share a quantity of two lines.
SELECT 13 * count(*) + count(numerator) + count(denominator) + count(sample_size) + count(method) + count(note)
    + CASE WHEN count(ci_lower) + count(ci_upper) > 0 THEN 2 * count(*) ELSE 0 END
    + 7 * count(*) FILTER (WHERE sex = 'T' AND age_group = 'T' AND value IS NOT NULL)
    + 2 * count(DISTINCT (kpi, value)) FILTER (WHERE sex = 'T' AND age_group = 'T' AND value IS NOT NULL)
FROM {relation}
