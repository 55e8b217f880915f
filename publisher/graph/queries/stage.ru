# Note which graphs a load is about to fill, so that the next one can clear them away if this one is cut off.
# In:  drops   DROP SILENT of what earlier loads left
#      state   IRI of the state graph
#      note    INSERT DATA of triples that name the graphs; nothing when there are none, as Virtuoso takes no empty one
# Cost: that of dropping what was left.
PREFIX prov: <http://www.w3.org/ns/prov#>
$drops
DELETE WHERE { GRAPH <$state> { <$state> prov:used ?graph } }
$note
