#!/usr/bin/env python3
"""An identity provider that the project did not write: oidc-provider-mock.

    identity_provider.py '[{"sub": "alice", "groups": ["operators"]}]'

Whoever posts `sub=alice` to the authorization address is signed in as alice. Prints "LISTENING <port>" when it is up.
Ends when standard input ends.
"""

import json
import sys

import oidc_provider_mock
from oidc_provider_mock import User

users = []
for claims in json.loads(sys.argv[1]):
    subject = claims.pop("sub")
    users.append(User(sub=subject, claims=claims))

with oidc_provider_mock.run_server_in_thread(require_nonce=True, user_claims=users) as server:
    print("LISTENING", server.server_port, flush=True)
    sys.stdin.read()
