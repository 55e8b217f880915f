"""Namespaces of the vocabularies in use, for rdflib.

rdflib's own DCAT namespace is closed and at version 2, without dcat:version and dcat:DatasetSeries.
"""

from rdflib import Namespace

from vaven.vocab.iris import NAMESPACES

ADMS = Namespace(NAMESPACES["adms"])
CIDS = Namespace(NAMESPACES["cids"])
CUBE = Namespace(NAMESPACES["cube"])
DCAT = Namespace(NAMESPACES["dcat"])
DCATAP = Namespace(NAMESPACES["dcatap"])
DQV = Namespace(NAMESPACES["dqv"])
# Of the W3C's list of file formats, which NAMESPACES does not publish as a prefix.
FORMATS = Namespace("http://www.w3.org/ns/formats/")
GEO = Namespace(NAMESPACES["geo"])
HYDRA = Namespace(NAMESPACES["hydra"])
I72 = Namespace(NAMESPACES["i72"])
META = Namespace(NAMESPACES["meta"])
OA = Namespace(NAMESPACES["oa"])
QUDT = Namespace(NAMESPACES["qudt"])
RELATION = Namespace(NAMESPACES["relation"])
SCHEMA = Namespace(NAMESPACES["schema"])
SD = Namespace(NAMESPACES["sd"])
SDMX_ATTRIBUTE = Namespace(NAMESPACES["sdmx-attribute"])
SDMX_CODE = Namespace(NAMESPACES["sdmx-code"])
SDMX_DIMENSION = Namespace(NAMESPACES["sdmx-dimension"])
SDMX_MEASURE = Namespace(NAMESPACES["sdmx-measure"])
SDO = Namespace(NAMESPACES["sdo"])
ODRS = Namespace(NAMESPACES["odrs"])
SPDX = Namespace(NAMESPACES["spdx"])
SSSOM = Namespace(NAMESPACES["sssom"])
TOVE = Namespace(NAMESPACES["tove"])
VCARD = Namespace(NAMESPACES["vcard"])
