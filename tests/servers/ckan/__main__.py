"""`make ckan`: a real CKAN with our dataset schema, until Ctrl-C. Prints its URL and a token."""

import contextlib
import json
import signal
import sys

from tests.servers.ckan.instance import PLUGINS, SCHEMING
from tests.servers.ckan.stack import running
from vaven.publisher.ckan.fields import scheming_schema

# SIGTERM ends it as Ctrl-C does, servers included.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
with running() as stack:
    schema = stack.folder / "vaven.json"
    schema.write_text(json.dumps(scheming_schema()), "utf-8")
    settings = [f"scheming.dataset_schemas = {schema.as_uri()}"]
    with stack.serving(plugins=f"{PLUGINS} {SCHEMING}", settings=settings, port=5000) as ckan:
        print(f"CKAN:  {ckan.url}\nToken: {ckan.token}", flush=True)
        print(f"\nVAVEN_CKAN_URL={ckan.url} VAVEN_CKAN_TOKEN={ckan.token} vaven publish FILE", flush=True)
        print("\nCtrl-C ends it.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
