"""`make ckan`: a real CKAN to look at, until Ctrl-C. Prints its address and a sysadmin's token."""

import signal

from tests.servers.ckan.stack import running

with running() as stack, stack.serving(port=5000) as ckan:
    print(f"CKAN:  {ckan.url}\nToken: {ckan.token}", flush=True)
    print(f"\nVAVEN_CKAN_URL={ckan.url} VAVEN_CKAN_TOKEN={ckan.token} vaven publish FILE", flush=True)
    print("\nCtrl-C ends it.", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
