-- IC-15 and IC-16: values of one measure in a cube with measure dimension.
-- In:  {relation}, observations; {measure}, the code of the measure dimension; {value}, the column of one measure;
--      {own}, the codes that stand for that measure, as a list
-- Out: observations of this measure without a value for it; observations of another measure with a value for it
-- Cost: one scan of two columns
SELECT count(*) FILTER ({measure} IN {own} AND {value} IS NULL),
    count(*) FILTER (NOT ({measure} IN {own}) AND {value} IS NOT NULL)
FROM {relation}
