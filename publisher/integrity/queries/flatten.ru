# Normalisation, second phase: copy the values attached to data sets and slices to their observations
# (RDF Data Cube, W3C Recommendation 2014-01-16, section 10.2).
# In:  a graph after closure.ru
# Out: the same graph, with every component value on the observations
# Cost: linear in observations times attached components
PREFIX qb: <http://purl.org/linked-data/cube#>

INSERT { ?observation ?property ?value }
WHERE {
    ?component qb:componentProperty ?property ; qb:componentAttachment qb:DataSet .
    ?dataset qb:structure/qb:component ?component ; ?property ?value .
    ?observation qb:dataSet ?dataset
} ;
INSERT { ?observation ?property ?value }
WHERE {
    ?component qb:componentProperty ?property ; qb:componentAttachment qb:Slice .
    ?dataset qb:structure/qb:component ?component ; qb:slice ?slice .
    ?slice ?property ?value ; qb:observation ?observation
} ;
INSERT { ?observation ?property ?value }
WHERE {
    ?component qb:componentProperty ?property .
    ?property a qb:DimensionProperty .
    ?dataset qb:structure/qb:component ?component ; qb:slice ?slice .
    ?slice ?property ?value ; qb:observation ?observation
}
