-- List the distinct codes of a column, each with its number of rows.
-- In:  {relation}, observations; {column}
-- Out: code, NULL for empty cells; rows BIGINT
-- Cost: one scan of the column
SELECT {column} AS code, count(*) AS rows FROM {relation} GROUP BY ALL ORDER BY ALL
