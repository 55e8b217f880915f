"""Read side of CKAN's Action API over published data, for ckanapi, harvesters and other clients of CKAN.

Responses have the structure of CKAN 2.12, compared key by key with a real CKAN in tests/catalogue/test_ckan_api.py.
"""
