-- What emission says of generated observations, with codes put into texts as they are.
-- In:  observations, a view of the released Parquet (codes that need no escape, KPIs in per cent, no empty cell)
-- Out: text VARCHAR, the lines of an observation or of a measure
-- Cost: one scan, and a hash of the different values.
-- The names of reports are codes here, since a label is something to look up.
SELECT concat(
    s, '<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://purl.org/linked-data/cube#Observation> .
', s, '<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://cube.link/Observation> .
<https://vaven.example.org/id/dataset/bench/1/observations> <https://cube.link/observation> ', s, '.
', s, '<http://purl.org/linked-data/cube#dataSet> <https://vaven.example.org/id/dataset/bench> .
', s, '<https://cube.link/observedBy> <https://vaven.example.org/id/organisation/den-sociala-vaven> .
', s, '<http://purl.org/linked-data/sdmx/2009/dimension#refArea> <https://vaven.example.org/id/area/deso2018/', neighbourhood, '> .
', s, '<https://vaven.example.org/ns#kpi> <https://vaven.example.org/id/kpi/', kpi, '> .
', s, '<http://purl.org/linked-data/sdmx/2009/dimension#refPeriod> <http://reference.data.gov.uk/id/gregorian-year/', period, '> .
', s, '<http://purl.org/linked-data/sdmx/2009/dimension#sex> <http://purl.org/linked-data/sdmx/2009/code#sex-', sex, '> .
', s, '<http://purl.org/linked-data/sdmx/2009/dimension#age> <https://vaven.example.org/id/age/', age_group, '> .
', s, '<http://purl.org/linked-data/sdmx/2009/measure#obsValue> "', number, '"^^<http://www.w3.org/2001/XMLSchema#decimal> .
', s, '<http://purl.org/linked-data/sdmx/2009/attribute#unitMeasure> <http://qudt.org/vocab/unit/PERCENT> .
', s, '<http://purl.org/linked-data/sdmx/2009/attribute#obsStatus> <https://vaven.example.org/id/status/', status, '> .
', s, '<https://vaven.example.org/ns#sampleSize> "', sample_size, '"^^<http://www.w3.org/2001/XMLSchema#integer> .
', s, '<https://vaven.example.org/ns#method> <https://vaven.example.org/id/method/', method, '> .',
    CASE WHEN sex = 'T' AND age_group = 'T' THEN concat('
', s, '<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://ontology.commonapproach.org/cids#IndicatorReport> .
', s, '<https://ontology.commonapproach.org/cids#forIndicator> <https://vaven.example.org/id/kpi/', kpi, '> .
', s, '<https://ontology.commonapproach.org/cids#forOrganization> <https://vaven.example.org/id/organisation/den-sociala-vaven> .
', s, '<http://ontology.eil.utoronto.ca/tove/organization#hasName> "', kpi, ', ', neighbourhood, ', ', period, '" .
', s, '<http://www.w3.org/ns/prov#startedAtTime> "', period, '-01-01T00:00:00"^^<http://www.w3.org/2001/XMLSchema#dateTime> .
', s, '<http://www.w3.org/ns/prov#endedAtTime> "', period, '-12-31T23:59:59"^^<http://www.w3.org/2001/XMLSchema#dateTime> .
', s, '<http://ontology.eil.utoronto.ca/ISO21972/iso21972#value> <https://vaven.example.org/id/quantity/bench/', kpi, '/', number, '> .') END
) AS text
FROM (
    SELECT *, rtrim(rtrim(format('{:.10f}', value), '0'), '.') AS number, concat(
        '<https://vaven.example.org/id/observation/bench/',
        neighbourhood, '/', kpi, '/', period, '/', sex, '/', age_group, '> '
    ) AS s
    FROM observations
)
UNION ALL
SELECT concat(
    m, '<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://ontology.eil.utoronto.ca/ISO21972/iso21972#Measure> .
', m, '<http://ontology.eil.utoronto.ca/ISO21972/iso21972#hasNumericalValue> "', number, '" .'
)
FROM (
    SELECT *, concat('<https://vaven.example.org/id/quantity/bench/', kpi, '/', number, '> ') AS m
    FROM (
        SELECT DISTINCT kpi, rtrim(rtrim(format('{:.10f}', value), '0'), '.') AS number
        FROM observations WHERE sex = 'T' AND age_group = 'T'
    )
)
