"""GET by a machine -> DCAT feed, VoID, Croissant, dumps and release files."""
