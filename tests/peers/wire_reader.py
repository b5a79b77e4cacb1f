"""Reads golden files of the wire by docs/wire.md alone, with nothing but the standard library.

Usage: wire_reader.py FOLDER    prints the opened rows of readings.bin, the records of records.bin and the gap of
gap.bin as one JSON document.
"""

import hashlib
import json
import pathlib
import struct
import sys


def varint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """Yields (tag, wire type, value) of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        tag, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = data[at : at + 8], at + 8
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError(f"wire type {kind}")
        yield tag, kind, value


def message(data):
    found = {}
    for tag, _, value in fields(data):
        found.setdefault(tag, []).append(value)
    return found


def one(found, tag, default=0):
    return found.get(tag, [default])[-1]


def text(found, tag):
    return one(found, tag, b"").decode()


def fixed(value):
    return struct.unpack("<Q", value)[0] if value else 0


def zigzag(value):
    return (value >> 1) ^ -(value & 1)


def wrapped(value):
    """A number as a signed one of 64 bits."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def packed(found, tag):
    values = []
    for part in found.get(tag, []):
        if isinstance(part, int):
            values.append(part)
            continue
        at = 0
        while at < len(part):
            value, at = varint(part, at)
            values.append(value)
    return values


def anchor_of(data):
    found = message(data)
    return {
        "boot_ms": one(found, 2),
        "wall_ms": wrapped(one(found, 3)),
    }


def catalogue_groups(data):
    """(device, group name, points) in order."""
    groups = []
    for device in map(message, message(data).get(1, [])):
        for group in map(message, device.get(8, [])):
            points = []
            for point in map(message, group.get(4, [])):
                points.append(
                    {
                        "name": text(point, 1),
                        "kind": one(point, 2),
                        "decimals": one(point, 4),
                        "states": [state.decode() for state in point.get(5, [])],
                    }
                )
            groups.append((text(device, 1), text(group, 1), points))
    return groups


QUALITIES = ["good", "uncertain", "bad"]


def open_rows(found, anchor, first_seq, groups):
    device, name, points = groups[one(found, 1)]
    time, rows = anchor["boot_ms"], []
    for step in map(zigzag, packed(found, 3)):
        time += step
        rows.append({"device": device, "group": name, "wall_ms": anchor["wall_ms"] + time - anchor["boot_ms"], "cells": {}})
    steps, seq = packed(found, 2), first_seq
    for at, row in enumerate(rows):
        seq = seq + steps[at] if steps else first_seq + at
        row["seq"] = seq
    presence = one(found, 4, b"")
    encodings = packed(found, 5)
    encodings = dict(zip(encodings[::2], encodings[1::2]))
    integers = iter(map(zigzag, packed(found, 6)))
    doubles = iter(number for part in found.get(7, []) for (number,) in struct.iter_unpack("<d", part))
    texts = iter(part.decode() for part in found.get(8, []))
    exceptions, cell = {}, 0
    for distance, code in zip(packed(found, 9)[::2], packed(found, 9)[1::2]):
        cell += distance
        exceptions[cell] = code
    ordinal = 0
    for column, point in enumerate(points):
        usual = {0: point["decimals"], 1: 18, 2: 0, 3: 17}[point["kind"]]
        encoding, previous = encodings.get(column, usual), 0
        for at, row in enumerate(rows):
            bit = column * len(rows) + at
            if presence and not presence[bit // 8] >> (bit % 8) & 1:
                continue
            quality = exceptions.get(ordinal, 0) & 3
            ordinal += 1
            if quality == 2:
                value = None
            elif encoding == 16:
                value = next(doubles)
            elif encoding == 17:
                value = next(texts)
            else:
                previous = wrapped(previous + next(integers))
                if encoding == 18:
                    value = point["states"][previous]
                else:
                    value = previous if point["kind"] == 2 else previous / 10**encoding
            row["cells"][point["name"]] = [value, QUALITIES[quality]]
    return rows


def batch(data):
    found = message(data)
    return found, anchor_of(one(found, 3, b"")), one(found, 1)


def records(data):
    found, anchor, seq = batch(data)
    listed = []
    for record in map(message, found.get(6, [])):
        body = message(one(record, 3, b""))
        listed.append(
            {
                "seq": seq,
                "kind": one(record, 1),
                "wall_ms": anchor["wall_ms"] + zigzag(one(record, 2)),
                "first_text": text(body, 1) if one(record, 1) != 5 else "",
            }
        )
        seq += 1 + one(record, 4)
    return listed


def main():
    folder = pathlib.Path(sys.argv[1])
    read = lambda name: (folder / f"{name}.bin").read_bytes()
    groups = catalogue_groups(read("catalogue"))
    found, anchor, first_seq = batch(read("readings"))
    catalogue_hash = hashlib.sha256(read("catalogue")).hexdigest()[:16]
    assert f"{fixed(one(found, 4, b'')):016x}" == catalogue_hash, "the batch names another catalogue"
    rows = [row for group in map(message, found.get(5, [])) for row in open_rows(group, anchor, first_seq, groups)]
    print(json.dumps({"rows": rows, "records": records(read("records")), "gap": records(read("gap"))}))


main()
