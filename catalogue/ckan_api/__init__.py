"""CKAN's Action API, read side, over what we publish: ckanapi, harvesters and other clients of CKAN work without one.

Shapes are those of CKAN 2.12, compared key by key with a real one in tests/catalogue/test_ckan_api.py.

Order inside (a module imports only modules to its left):
answers, packages, search, rows, api.
"""
