"""The CKAN whose configuration file is named by CKAN_INI, as a WSGI application. Runs in CKAN's own environment."""

import os

from ckan.cli import CKANConfigLoader
from ckan.config.middleware import make_app

application = make_app(CKANConfigLoader(os.environ["CKAN_INI"]).get_config())
