-- How commas and points are used in a column of numbers.
-- In:  {cells}, a table with the column's different texts in `cell`; {unseen}, a pattern of characters without a shape
-- Out: one row: cells with a comma; of those, cells that could be grouped thousands; cells with a point before the
--      last comma; cells with a point after the last comma; cells that begin with "0,"
-- Cost: one scan of the texts.
WITH cells AS (
    SELECT replace(replace(replace(cell, ' ', ''), chr(160), ''), chr(8239), '') AS c
    FROM {cells}
    WHERE cell LIKE '%,%' AND regexp_full_match(cell, '([-−\d\s.,\x{00a0}\x{202f}]|{unseen})+')
)
SELECT
    count(*),
    count(*) FILTER (regexp_full_match(c, '[-−]?\d{1,3}(,\d{3})+(\.\d+)?')),
    count(*) FILTER (regexp_full_match(c, '[-−]?\d+(\.\d{3})+,\d+')),
    count(*) FILTER (regexp_full_match(c, '[-−]?\d+(,\d{3})+\.\d+')),
    count(*) FILTER (c LIKE '0,%' OR c LIKE '-0,%')
FROM cells
