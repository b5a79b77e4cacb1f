#!/usr/bin/env python3
"""A mail server that the project did not write: aiosmtpd.

    mail_server.py CERTIFICATE KEY USER PASSWORD [tls]

Speaks STARTTLS, or TLS from the first byte on with `tls`; without either and without the password it takes nothing.
A recipient `never@...` is refused for good, `later@...` the first time. Prints "LISTENING <port>" when it is up, then
a line of JSON for each mail. Ends when standard input ends.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

certificate, key, user, password = sys.argv[1:5]
from_the_first_byte_on = sys.argv[5:] == ["tls"]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
put_off = set()


def authenticate(server, session, envelope, mechanism, data):
    assert isinstance(data, LoginPassword)
    is_known = (data.login.decode(), data.password.decode()) == (user, password)
    return AuthResult(success=is_known, handled=False, auth_data=data.login.decode())


class Inbox:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never@"):
            return "550 5.1.1 No such user here"
        if address.startswith("later@") and address not in put_off:
            put_off.add(address)
            return "451 4.7.1 Greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["Subject"],
            "id": mail["Message-Id"],
            "automatic": mail["Auto-Submitted"],
            "text": mail.get_content().replace("\r\n", "\n"),
            "user": session.auth_data,
            "defects": [str(defect) for defect in mail.defects],
            "encrypted": from_the_first_byte_on or session.ssl is not None,
        }), flush=True)
        return "250 OK"


def protocol():
    plain = {} if from_the_first_byte_on else {"tls_context": context, "require_starttls": True}
    return SMTP(Inbox(), authenticator=authenticate, auth_required=True,
                auth_require_tls=not from_the_first_byte_on, **plain)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if from_the_first_byte_on else None)
    print("LISTENING", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
