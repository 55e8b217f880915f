-- The different codes of a column, each with its number of rows.
-- In:  {relation}, observations; {column}
-- Out: code, NULL where cells are empty; rows BIGINT
-- Cost: one scan of the column
SELECT {column} AS code, count(*) AS rows FROM {relation} GROUP BY ALL ORDER BY ALL
