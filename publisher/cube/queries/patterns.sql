-- One row of each kind: rows with the same columns filled, of the whole population or of a part of it.
-- In:  observations, the released Parquet as a view; {kinds}, what tells the kinds apart
-- Out: n BIGINT, how many rows are of the kind; row STRUCT, one of them
-- Cost: one scan; as many groups as there are kinds, some dozens at most.
SELECT count(*) AS n, first(observations) AS row
FROM observations
GROUP BY {kinds}
