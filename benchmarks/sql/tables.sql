-- What the queries of this folder read: the releases' observations, and the other triples as one table.
-- In: {observations}, a list of Parquet files; {facts}, a Parquet file that benchmarks/answering.py writes.
CREATE VIEW observations AS FROM read_parquet({observations}, union_by_name = true);
CREATE VIEW facts AS FROM read_parquet({facts});
CREATE VIEW areas AS SELECT code, subject AS area, object AS name FROM facts WHERE kind = 'area' AND property = 'rdfs:label';
CREATE VIEW kpis AS
    SELECT code, subject AS kpi, object AS label FROM facts
    WHERE kind = 'kpi' AND property = 'skos:prefLabel' AND language = 'sv';
CREATE VIEW periods AS
    SELECT code, subject AS period, object AS label FROM facts WHERE kind = 'period' AND property = 'rdfs:label';
CREATE VIEW kommuner AS
    SELECT a.code, a.object AS kommun, n.object AS name
    FROM facts a JOIN facts n ON n.subject = a.object AND n.property = 'skos:prefLabel'
    WHERE a.kind = 'area' AND a.property = 'skos:broader';
