#!/usr/bin/env python3
"""A Modbus server that the project did not write: pymodbus serving a given table.

    modbus_server.py --tcp 127.0.0.1:0 --table '{"1": {"holding": {"128": [0, 3600]}}}'
    modbus_server.py --serial /tmp/line --table -          (the table comes on standard input)

The table maps units to their four tables ("coils", "inputs", "holding", "input"), and these map a first address to a
value or a list of values. Addresses that are not in the table are refused with exception 2.

With --identity '{"VendorName": "…", "ProductCode": "…", "MajorMinorRevision": "…"}' it says that of itself (43/14).

Prints "LISTENING <port or path>" when it is up, and "WROTE <unit> <function> <address> <values as JSON>" for each
write it carries out. Ends when standard input ends, unless the table came from there.
"""

import argparse
import asyncio
import functools
import json
import sys

from pymodbus import ModbusDeviceIdentification
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

# pymodbus wants every table to hold something.
LAST_ADDRESS = 65535


def block(table, bits):
    """One of the four tables of a unit."""
    datatype = DataType.BITS if bits else DataType.REGISTERS
    entries = []
    for address, values in sorted((int(address), values) for address, values in table.items()):
        values = values if isinstance(values, list) else [values]
        values = [bool(value) for value in values] if bits else [int(value) & 0xFFFF for value in values]
        entries.append(SimData(address, values=values, datatype=datatype))
    if not entries:
        entries.append(SimData(LAST_ADDRESS, values=[False] if bits else [0], datatype=datatype))
    return entries


async def accessed(unit, function, _start, address, _count, _registers, values):
    """Called by pymodbus at each access."""
    if values is not None:
        print("WROTE", unit, function, address, json.dumps([int(value) for value in values]), flush=True)


def devices(table):
    """The units."""
    for unit, tables in table.items():
        data = (
            block(tables.get("coils", {}), True),
            block(tables.get("inputs", {}), True),
            block(tables.get("holding", {}), False),
            block(tables.get("input", {}), False),
        )
        yield SimDevice(int(unit), simdata=data, action=functools.partial(accessed, int(unit)))


async def main():
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--tcp", help="host:port; port 0 takes a free one")
    where.add_argument("--serial", help="path of a serial port")
    parser.add_argument("--framing", choices=["tcp", "rtu"], help="rtu on tcp: like a transparent serial server")
    parser.add_argument("--baud", type=int, default=9600)
    parser.add_argument("--table", required=True, help="JSON, or - for standard input")
    parser.add_argument("--identity", type=json.loads, help="device identification, as JSON")
    arguments = parser.parse_args()
    identity = ModbusDeviceIdentification(info_name=arguments.identity) if arguments.identity else None
    from_input = arguments.table == "-"
    table = json.loads(sys.stdin.read() if from_input else arguments.table)
    units = list(devices(table))
    if arguments.serial:
        server = ModbusSerialServer(units, port=arguments.serial, baudrate=arguments.baud, framer=FramerType.RTU,
                                    ignore_missing_devices=True, identity=identity)
        await server.serve_forever(background=True)
        print("LISTENING", arguments.serial, flush=True)
    else:
        host, port = arguments.tcp.rsplit(":", 1)
        framer = FramerType.RTU if arguments.framing == "rtu" else FramerType.SOCKET
        server = ModbusTcpServer(units, framer=framer, address=(host, int(port)), identity=identity)
        await server.serve_forever(background=True)
        print("LISTENING", server.transport.sockets[0].getsockname()[1], flush=True)
    if from_input:
        await asyncio.Event().wait()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
