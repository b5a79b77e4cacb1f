#!/usr/bin/env python3
"""A client of ZKTeco C3 controllers by somebody else, zkaccess-c3: connects and prints what the controller says.

    zkteco_peer.py --address 127.0.0.1:4370 [--password SECRET]

Prints "CONNECTED <0|1>". Reads lines "log", "output <number> <1 door|2 auxiliary> <seconds>" and "cancel"; prints
"ANSWER <text>" for each. Ends when standard input ends.
"""

import argparse
import sys

from c3 import C3, controldevice, rtlog


def shown(record):
    """One line for a record."""
    if isinstance(record, rtlog.EventRecord):
        return f"event {int(record.event_type)} at {record.port_nr} card {record.card_no} on {record.time_second}"
    doors = [int(record.door_sensor_status(door)) for door in range(1, 5)]
    return f"doors {doors} alarms {record.alarm_status.hex()} on {record.time_second}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--password")
    arguments = parser.parse_args()
    host, port = arguments.address.rsplit(":", 1)
    panel = C3(host, int(port))
    print("CONNECTED", int(panel.connect(arguments.password)), panel.nr_of_locks, flush=True)
    for line in sys.stdin:
        word, *numbers = line.split()
        if word == "log":
            answer = "; ".join(shown(record) for record in panel.get_rt_log())
        elif word == "output":
            panel.control_device(controldevice.ControlDeviceOutput(*map(int, numbers)))
            answer = "done"
        else:
            panel.control_device(controldevice.ControlDeviceCancelAlarms())
            answer = "done"
        print("ANSWER", answer, flush=True)


main()
