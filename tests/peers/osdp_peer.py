#!/usr/bin/env python3
"""OSDP by somebody else: libosdp as a reader (pd) or as a control panel (cp), over TCP.

    osdp_peer.py pd --address 5 [--key 32HEX]                  listens; prints "LISTENING <port>"
    osdp_peer.py cp --address 5 --connect 127.0.0.1:4000 [--key 32HEX]

Both print "LIBRARY <JSON>" for each command (pd) or event (cp). Lines on standard input: a reader takes
"event <JSON>" (bytes as {"hex": "…"}), a control panel takes "command <JSON>". A control panel prints
"ONLINE <secure: 0|1>" once it talks to the reader. Ends when standard input ends.
"""

import argparse
import json
import os
import socket
import sys
import threading

from osdp import ControlPanel, PeripheralDevice
from osdp.channel import Channel
from osdp.constants import Capability, Command, LibFlag, LogLevel
from osdp.helpers import PDCapabilities, PDInfo

CAPABILITIES = [
    (Capability.ContactStatusMonitoring, 1, 2),
    (Capability.OutputControl, 1, 2),
    (Capability.CardDataFormat, 1, 1),
    (Capability.LEDControl, 1, 1),
    (Capability.AudibleControl, 1, 1),
    (Capability.Readers, 1, 1),
]


class Connection(Channel):
    """The connection of the moment; another may follow."""

    def __init__(self):
        super().__init__()
        self.socket = None

    def take(self, connection):
        connection.setblocking(False)
        self.socket = connection

    def read(self, max_bytes):
        if self.socket is None:
            return b""
        try:
            return self.socket.recv(max_bytes)
        except (BlockingIOError, OSError):
            return b""

    def write(self, buf):
        try:
            return self.socket.send(buf) if self.socket else len(buf)
        except OSError:
            return len(buf)

    def flush(self):
        pass


def say(word, content):
    """One line."""
    default = lambda value: value.hex() if isinstance(value, bytes) else str(value)
    print(word, json.dumps(content, default=default), flush=True)


def from_json(text):
    """Bytes stand as {"hex": "…"}."""
    return json.loads(text, object_hook=lambda table: bytes.fromhex(table["hex"]) if "hex" in table else table)


def reader(arguments, key):
    """Plays a reader."""
    connection = Connection()
    listener = socket.create_server(("127.0.0.1", 0))

    def commanded(command):
        if command["command"] != Command.Status:
            say("LIBRARY", command)
        return 0, None

    flags = [LibFlag.EnforceSecure] if key else []
    info = PDInfo(arguments.address, connection, scbk=key, flags=flags)
    device = PeripheralDevice(info, PDCapabilities(CAPABILITIES), log_level=LogLevel.Error, command_handler=commanded)

    def accept():
        while True:
            connection.take(listener.accept()[0])

    threading.Thread(target=accept, daemon=True).start()
    device.start()
    print("LISTENING", listener.getsockname()[1], flush=True)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "event":
            device.submit_event(from_json(rest))


def panel(arguments, key):
    """Plays a control panel."""
    host, port = arguments.connect.rsplit(":", 1)
    connection = Connection()
    connection.take(socket.create_connection((host, int(port))))
    info = PDInfo(arguments.address, connection, scbk=key, flags=[LibFlag.EnforceSecure] if key else [])
    control = ControlPanel([info], log_level=LogLevel.Error)
    control.start()

    def listen():
        while not (control.is_online(arguments.address) and (not key or control.is_sc_active(arguments.address))):
            threading.Event().wait(0.02)
        print("ONLINE", int(control.is_sc_active(arguments.address)), flush=True)
        while True:
            event = control.get_event(arguments.address, 3600)
            if event:
                say("LIBRARY", event)

    threading.Thread(target=listen, daemon=True).start()
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "command":
            control.submit_command(arguments.address, from_json(rest))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["pd", "cp"])
    parser.add_argument("--address", type=int, default=0)
    parser.add_argument("--key")
    parser.add_argument("--connect")
    arguments = parser.parse_args()
    key = bytes.fromhex(arguments.key) if arguments.key else None
    (reader if arguments.side == "pd" else panel)(arguments, key)
    # Threads of the library would keep the program.
    os._exit(0)


main()
