#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A UE that knows TS 24.322 and nothing else, written from the standards.

    plain_ue.py --profile FILE --server HOST [--name NAME] [--device ue0] [--facts FILE]
    plain_ue.py ... --ethernet      a TAP, and whoever is behind it does the DHCP

Gets its addresses inside the tunnel, makes a TUN with them and the routes that
it was told, writes what it was told to --facts (JSON), and moves packets until it
is ended.  Exit status: 0 ended by a signal, 3 the peer sent an envelope that is
no IP packet, 4 the peer closed, 5 nobody answered.
"""
import argparse
import ipaddress
import json
import os
import select
import signal
import socket
import ssl
import struct
import sys
import time

from plain_wire import (ICMPV6, IP_ENVELOPE, UDP, Packet, Stream, addresses, classless_routes,
                        credentials, device, dhcp4, dhcp4_read, dhcp6, dhcp6_read, dns_names,
                        icmpv6_packet, nd_options, packed, run, say, sip_option, udp_packet)

CHADDR = bytes.fromhex("0200c0ffee01")
LINK_LOCAL = "fe80::c0:ffff:feee:1"
WISHES = bytes([1, 3, 6, 15, 26, 51, 54, 58, 59, 120, 121])


class Closed(Exception):
    pass


class Ue:
    def __init__(self, stream, options):
        self.stream, self.options, self.facts = stream, options, {}

    def packets(self, until):
        """The packets that come until then."""
        while time.monotonic() < until:
            ready = self.stream.tls.pending() or \
                select.select([self.stream.tls], [], [], until - time.monotonic())[0]
            if not ready:
                return
            found = self.stream.receive()
            if found is None:
                raise Closed
            for kind, payload in found:
                if kind != IP_ENVELOPE:
                    say("an envelope of type %#x" % kind)
                    sys.exit(3)
                yield Packet(payload)

    def ask(self, request, answer, seconds=3):
        """Sends, and what `answer` makes of the first packet that is one."""
        self.stream.send(request)
        for packet in self.packets(time.monotonic() + seconds):
            found = answer(packet)
            if found is not None:
                return found
        return None

    # ---- DHCPv4

    def dhcp4_answer(self, transaction, packet):
        if packet.version != 4 or packet.protocol != UDP or packet.ports != (67, 68):
            return None
        message = dhcp4_read(packet.udp())
        return message if message["op"] == 2 and message["xid"] == transaction and \
            message["chaddr"][:6] == CHADDR else None

    def dhcp4(self):
        transaction = int.from_bytes(os.urandom(4), "big")
        wanted = [(55, WISHES), (57, struct.pack("!H", 1220))]

        def send(kind, more):
            return self.ask(udp_packet("0.0.0.0", "255.255.255.255", 68, 67, dhcp4(
                1, kind, transaction, CHADDR, wanted + more)),
                lambda packet: self.dhcp4_answer(transaction, packet))

        offer = send(1, [])
        if not offer:
            return
        assert offer["type"] == 2, offer
        ack = send(3, [(50, packed([offer["yiaddr"]])), (54, offer["options"][54])])
        assert ack and ack["type"] == 5, ack
        # Somebody else's address is refused.
        other = str(ipaddress.ip_address(ack["yiaddr"]) + 1)
        nak = send(3, [(50, packed([other])), (54, offer["options"][54])])
        self.facts["nak"] = bool(nak) and nak["type"] == 6
        self.keep_dhcp4(ack)
        # RENEWING: from the address itself, to the server (RFC 2131 4.3.6).
        again = self.ask(udp_packet(ack["yiaddr"], self.facts["server4"], 68, 67, dhcp4(
            1, 3, transaction, CHADDR, wanted, ciaddr=ack["yiaddr"])),
            lambda packet: self.dhcp4_answer(transaction, packet))
        self.facts["renewed"] = bool(again) and again["type"] == 5 and \
            again["yiaddr"] == ack["yiaddr"]

    def keep_dhcp4(self, ack):
        options, facts = ack["options"], self.facts
        facts["inner4"] = ack["yiaddr"]
        facts["server4"] = addresses(options[54])[0]
        facts["lease"], facts["t1"], facts["t2"] = (
            struct.unpack("!I", options[code])[0] for code in (51, 58, 59))
        facts["mtu4"] = struct.unpack("!H", options[26])[0]
        facts["sip4"] = sip_option(options[120]) if 120 in options else []
        facts["dns4"] = addresses(options.get(6, b""))
        facts["routes4"] = classless_routes(options.get(121, b""))

    # ---- IPv6

    def router(self):
        def answer(packet):
            if packet.protocol != ICMPV6 or packet.body[0] != 134:
                return None
            message = packet.icmpv6()
            assert packet.source.is_link_local, packet.source
            return packet.source, message

        found = self.ask(icmpv6_packet(LINK_LOCAL, "ff02::2", bytes([133]) + bytes(7)), answer)
        if not found:
            return
        source, message = found
        self.facts["router"] = str(source)
        self.facts["other"] = bool(message[5] & 0x40)
        self.facts["routes6"] = []
        for kind, option in nd_options(message[16:]):
            if kind == 3 and option[3] & 0x40:
                prefix = ipaddress.ip_network((option[16:32], option[2]))
                self.facts["prefix"] = str(prefix)
                self.facts["inner6"] = str(prefix[0xc0ffee])
                self.facts["valid"] = struct.unpack("!I", option[4:8])[0]
            elif kind == 5:
                self.facts["mtu6"] = struct.unpack("!I", option[4:8])[0]
            elif kind == 24:
                self.facts["routes6"].append("%s/%d" % (
                    ipaddress.ip_address(option[8:].ljust(16, b"\0")), option[2]))
            elif kind == 25:
                self.facts["rdnss"] = addresses(option[8:], 16)

    def neighbor(self):
        """The router answers for its address, nobody for ours."""
        def answer(packet):
            if packet.protocol != ICMPV6 or packet.body[0] != 136:
                return None
            return ipaddress.ip_address(packet.icmpv6()[8:24])

        def solicit(source, target):
            return icmpv6_packet(source, target if source != "::" else "ff02::1:ffee:1",
                                 bytes([135]) + bytes(7) + ipaddress.ip_address(target).packed)

        router = self.facts["router"]
        self.facts["neighbor"] = str(self.ask(solicit(LINK_LOCAL, router), answer))
        self.facts["dad"] = self.ask(solicit("::", self.facts["inner6"]), answer, 0.3) is None

    def dhcp6(self):
        transaction = int.from_bytes(os.urandom(3), "big")
        duid = struct.pack("!HH", 3, 1) + CHADDR

        def answer(packet):
            if packet.version != 6 or packet.protocol != UDP or packet.ports[1] != 546:
                return None
            kind, other, options = dhcp6_read(packet.udp())
            return options if kind == 7 and other == transaction else None

        options = self.ask(udp_packet(LINK_LOCAL, "ff02::1:2", 546, 547, dhcp6(
            11, transaction, [(1, duid), (6, struct.pack("!HHHH", 21, 22, 23, 24)),
                              (8, b"\0\0")])), answer)
        if options is None:
            return
        assert options[1] == duid and len(options[2]) > 2, options
        self.facts["sip6"] = addresses(options.get(22, b""), 16)
        self.facts["sip_names"] = dns_names(options.get(21, b""))
        self.facts["dns6"] = addresses(options.get(23, b""), 16)
        self.facts["domains"] = dns_names(options.get(24, b""))

    # ---- the device

    def configure(self, name):
        facts = self.facts
        run("ip", "link", "set", name, "mtu", str(facts.get("mtu4") or facts["mtu6"]), "up")
        if "inner4" in facts:
            run("ip", "address", "add", facts["inner4"] + "/32", "dev", name)
            for route, _ in facts["routes4"]:
                run("ip", "route", "add", route, "dev", name, "src", facts["inner4"])
        if "inner6" in facts:
            run("ip", "address", "add", facts["inner6"] + "/64", "dev", name, "nodad")
            for route in facts["routes6"]:
                run("ip", "route", "add", route, "dev", name, "src", facts["inner6"])

    def move(self, fd, ethernet):
        """Packets both ways, until the end."""
        tls = self.stream.tls
        while True:
            ready = select.select([tls, fd], [], [], 0 if tls.pending() else None)[0]
            if fd in ready:
                for packet in (self.from_ethernet(fd) if ethernet else read_all(fd)):
                    self.stream.send(packet)
            if tls in ready or tls.pending():
                found = self.stream.receive()
                if found is None:
                    raise Closed
                for kind, payload in found:
                    if kind != IP_ENVELOPE:
                        say("an envelope of type %#x" % kind)
                        sys.exit(3)
                    os.write(fd, self.ethernet + payload if ethernet else payload)

    # Whoever is behind the TAP sees one other host, which has every address.
    ethernet = bytes.fromhex("ffffffffffff" "020000000001" "0800")

    def from_ethernet(self, fd):
        for frame in read_all(fd):
            kind = frame[12:14]
            if kind == b"\x08\x00":
                self.ethernet = frame[6:12] + self.ethernet[6:]
                yield frame[14:14 + struct.unpack("!H", frame[16:18])[0]]
            elif kind == b"\x08\x06" and frame[20:22] == b"\0\x01" and frame[38:42] != frame[28:32]:
                mine = self.ethernet[6:12]
                os.write(fd, frame[6:12] + mine + kind + frame[14:20] + b"\0\x02" +
                         mine + frame[38:42] + frame[22:32])


def read_all(fd):
    for _ in range(64):
        try:
            yield os.read(fd, 65535)
        except BlockingIOError:
            return


def connect(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    credentials(context, options.profile)
    plain = socket.create_connection((options.server, 443), timeout=10)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Stream(context.wrap_socket(plain, server_hostname=options.name))


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--name", default="tscf.example.net")
    parser.add_argument("--device", default="ue0")
    parser.add_argument("--facts", default="/dev/stdout")
    parser.add_argument("--ethernet", action="store_true")
    parser.add_argument("--spoof", help="first send from this IPv4 address")
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ue = Ue(connect(options), options)
    try:
        if options.ethernet:
            fd = device(options.device, True)
            with open(options.facts, "w", encoding="utf-8") as file:
                json.dump({"ready": True}, file)
            ue.move(fd, True)
        ue.dhcp4()
        ue.router()
        if "router" in ue.facts:
            ue.neighbor()
            ue.dhcp6()
        if "inner4" not in ue.facts and "inner6" not in ue.facts:
            say("nobody answered")
            sys.exit(5)
        if options.spoof:
            for _ in range(3):
                ue.stream.send(udp_packet(options.spoof, "10.99.0.10", 5060, 5060, b"spoof"))
            # Types that no plain peer knows are skipped by both.
            ue.stream.send(b"unknown", 0x7f)
        fd = device(options.device)
        ue.configure(options.device)
        with open(options.facts, "w", encoding="utf-8") as file:
            json.dump(ue.facts, file)
        ue.move(fd, False)
    except Closed:
        say("the peer has closed")
        sys.exit(4)


if __name__ == "__main__":
    main()
