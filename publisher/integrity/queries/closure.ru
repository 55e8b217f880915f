# Normalisation, first phase: add the types and properties that a cube may leave out
# (RDF Data Cube, W3C Recommendation 2014-01-16, section 10.1).
# In:  a graph with cubes, in abbreviated or full form
# Out: the same graph, with every implied rdf:type and qb:componentProperty
# Cost: linear in observations and components
PREFIX qb: <http://purl.org/linked-data/cube#>

INSERT { ?observation a qb:Observation } WHERE { [] qb:observation ?observation } ;
INSERT { ?observation a qb:Observation . ?dataset a qb:DataSet } WHERE { ?observation qb:dataSet ?dataset } ;
INSERT { ?slice a qb:Slice } WHERE { [] qb:slice ?slice } ;
INSERT { ?key a qb:SliceKey } WHERE { [] qb:sliceStructure ?key } ;
INSERT { ?component qb:componentProperty ?property . ?property a qb:DimensionProperty }
WHERE { ?component qb:dimension ?property } ;
INSERT { ?component qb:componentProperty ?property . ?property a qb:MeasureProperty }
WHERE { ?component qb:measure ?property } ;
INSERT { ?component qb:componentProperty ?property . ?property a qb:AttributeProperty }
WHERE { ?component qb:attribute ?property }
