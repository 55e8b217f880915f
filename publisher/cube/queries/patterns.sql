-- Select one row of each pattern: rows with the same columns filled that agree in being a total over sex and age.
-- In:  observations, the released Parquet as a view; {pattern}, the expressions that distinguish patterns
-- Out: n BIGINT, the number of rows with the pattern; row STRUCT, one of them
-- Cost: one scan; one group per pattern, some dozens at most
SELECT count(*) AS n, first(observations) AS row
FROM observations
GROUP BY {pattern}
