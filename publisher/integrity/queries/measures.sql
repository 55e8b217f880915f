-- Check IC-15 and IC-16: the values of one measure in a cube with measure dimension.
-- In:  {relation}, observations; {measure}, the column of the measure dimension; {value}, the column of one measure;
--      {own}, the list of codes for that measure
-- Out: number of observations of this measure without a value; number of observations of other measures with a value
-- Cost: one scan of two columns
SELECT count(*) FILTER ({measure} IN {own} AND {value} IS NULL),
    count(*) FILTER (NOT ({measure} IN {own}) AND {value} IS NOT NULL)
FROM {relation}
