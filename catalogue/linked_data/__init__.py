"""GET of id/, doc/ and ns -> the resource in HTML or an RDF serialisation."""
