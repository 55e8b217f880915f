# Make a published graph hold what a staged one does; a part of switch.ru.
# In:  graph   IRI of the published graph
#      staged  IRI of the staged one
# Cost: one look-up for each triple of either graph, and a write for each that leaves or is new. Only differences are
#       written, since many servers delete slowly, and since TDB2 (5.6.0) loses triples where one transaction drops a
#       graph and fills it again, as MOVE and COPY do too.
DELETE { GRAPH <$graph> { ?s ?p ?o } }
WHERE { GRAPH <$graph> { ?s ?p ?o } FILTER NOT EXISTS { GRAPH <$staged> { ?s ?p ?o } } } ;
ADD SILENT <$staged> TO <$graph> ;
