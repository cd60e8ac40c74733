#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A train of numbered UDP packets, and what became of it.

    udp_train.py receive PORT QUIET-SECONDS
    udp_train.py send ADDRESS PORT COUNT PACKETS-PER-SECOND IP-OCTETS

The receiver ends when nothing has come for so long, and prints JSON: packets,
runs of missing numbers, rate in bit/s of IP packets, one-way delay (both ends
on one machine), and how many came after one that was sent later.
"""
import json
import socket
import struct
import sys
import time

HEADER = struct.Struct("!QQ")
IP_UDP = 28


def receive(port, quiet):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("", port))
    sock.settimeout(10)
    arrivals = []
    try:
        while True:
            packet = sock.recv(2048)
            number, sent = HEADER.unpack_from(packet)
            arrivals.append((number, time.monotonic_ns(), sent, len(packet) + IP_UDP))
            sock.settimeout(quiet)
    except socket.timeout:
        pass
    report(arrivals)


def report(arrivals):
    missing = runs = overtaken = 0
    numbers = sorted(set(a[0] for a in arrivals))
    for before, number in zip([-1] + numbers, numbers):
        missing += number - before - 1
        runs += number - before > 1
    highest = -1
    for number, *_ in arrivals:
        overtaken += number < highest
        highest = max(highest, number)
    delays = sorted((at - sent) / 1e6 for _, at, sent, _ in arrivals) or [0]
    span = (arrivals[-1][1] - arrivals[0][1]) / 1e9 if len(arrivals) > 1 else 0
    octets = sum(a[3] for a in arrivals[1:])
    print(json.dumps({
        "received": len(arrivals),
        "missing": missing,
        "runs": runs,
        "overtaken": overtaken,
        "rate": octets * 8 / span if span else 0,
        "delay_ms": {
            "min": delays[0],
            "p50": delays[len(delays) // 2],
            "p99": delays[len(delays) * 99 // 100],
            "max": delays[-1],
        },
    }))


def send(address, port, count, rate, octets):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    filling = bytes(max(0, octets - IP_UDP - HEADER.size))
    begin = time.monotonic()
    for number in range(count):
        wait = begin + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        sock.send(HEADER.pack(number, time.monotonic_ns()) + filling)


def main():
    arguments = sys.argv[2:]
    if sys.argv[1:2] == ["receive"] and len(arguments) == 2:
        receive(int(arguments[0]), float(arguments[1]))
    elif sys.argv[1:2] == ["send"] and len(arguments) == 5:
        send(arguments[0], *map(int, arguments[1:]))
    else:
        sys.exit(__doc__)


main()
