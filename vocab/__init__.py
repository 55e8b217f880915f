"""What things are called: KPI register, areas, periods, IRIs, ontology. Knows nothing else of Väven.

Order inside the room (a module imports only modules to its left):
messages, errors, examples, periods, areas, register, iris, indicators, executables, concordance, concepts, shapes.
"""
