# Put staged graphs in the place of published ones and note it: one request, so one transaction where there is one.
# In:  changes  become.ru for each graph, or DROP SILENT
#      state    IRI of the state graph
#      facts    its new triples
# Cost: that of the changes.
$changes
DELETE WHERE { GRAPH <$state> { ?s ?p ?o } } ;
INSERT DATA { GRAPH <$state> { $facts } }
