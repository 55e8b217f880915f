"""Licences of datasets, by any of their names or URLs."""

from vaven.vocab import register


def licence_id(text: str) -> str:
    """Return the id of a licence in vocab/licences.csv by any of its names or URLs, or "" if it is unknown."""
    folded = text.strip().casefold()
    for code in register.codes("licences").values():
        names = {code.id, code.properties["iri"], *code.properties["synonyms"].split("|"), *code.labels.values()}
        if folded in {name.casefold() for name in names}:
            return code.id
    return ""
