#!/usr/bin/env python3
"""A client of UHPPOTE controllers by somebody else, uhppoted: asks a controller at an address and prints what it says.

    uhppote_peer.py --address 127.0.0.1:60000 --controller 405419896

Reads lines such as "get_status" or "open_door 3" and prints "ANSWER <JSON>" for each. Ends when standard input ends.
"""

import argparse
import json
import sys

from uhppoted import uhppote


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--controller", type=int, required=True)
    arguments = parser.parse_args()
    client = uhppote.Uhppote("127.0.0.1", "127.0.0.1:60000", "127.0.0.1:60001")
    controller = (arguments.controller, arguments.address, "udp")
    for line in sys.stdin:
        word, *numbers = line.split()
        answer = getattr(client, word)(controller, *map(int, numbers))
        print("ANSWER", json.dumps(vars(answer), default=str), flush=True)


main()
