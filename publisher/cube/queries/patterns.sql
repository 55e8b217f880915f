-- Select the first row of each pattern: rows with the same columns filled that agree in being a total over sex and age.
-- In:  observations, the released Parquet as a view with file_row_number; {pattern}, the expressions that distinguish
--      patterns
-- Out: n BIGINT, the number of rows with the pattern; row STRUCT, the first of them; in the order of these rows, so
--      that the same release always has the same sample
-- Cost: one scan; one group per pattern, some dozens at most
SELECT count(*) AS n, arg_min(observations, file_row_number) AS row
FROM observations
GROUP BY {pattern}
ORDER BY min(file_row_number)
