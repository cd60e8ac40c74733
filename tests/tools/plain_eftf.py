#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An EFTF that knows TS 24.322 and nothing else, written from the standards.

    plain_eftf.py --cert FILE --key FILE --ca FILE [OPTION]...

Serves clients with DHCPv4, Router Advertisements and stateless DHCPv6 inside their
tunnels, and moves their packets to and from a TUN (eftf0).  What they ask is
printed, a line for each.  An envelope of a type that it does not know is skipped,
or, with --unknown close, ends the connection.
"""
import argparse
import ipaddress
import os
import selectors
import socket
import ssl
import struct
import sys

from plain_wire import (ICMPV6, IP_ENVELOPE, UDP, Packet, Stream, addresses, device, dhcp4,
                        dhcp4_read, dhcp6, dhcp6_read, dns_octets, icmpv6_packet, packed, run,
                        udp_packet)

OWN4, NET4 = "10.64.0.1", "10.64.0.0/16"
OWN6, NET6 = "fe80::1", ipaddress.ip_network("fd64:64:64::/48")
ROUTE4, ROUTE6 = ("10.99.0.0/24", "fd99::/64")
PCSCF4, PCSCF6, DNS4, DNS6 = "10.99.0.10", "fd99::10", "10.99.0.53", "fd99::53"
DUID = struct.pack("!HH", 3, 1) + bytes.fromhex("0200c0ffee02")
TYPES = {1: "DISCOVER", 3: "REQUEST", 4: "DECLINE", 7: "RELEASE", 8: "INFORM"}


def tell(*words):
    print(*words, flush=True)


class Client:
    def __init__(self, server, tls, number):
        self.server, self.options = server, server.options
        self.stream, self.number = Stream(tls), number
        self.inner4 = str(ipaddress.ip_address("10.64.0.0") + 99 + number)
        self.prefix = list_subnet(number)
        self.moved = 0

    def packet(self, octets):
        packet = Packet(octets)
        if packet.version == 4 and packet.protocol == UDP and packet.ports == (68, 67):
            self.dhcp4(packet)
        elif packet.protocol == UDP and packet.version == 6 and packet.ports[1] == 547:
            self.dhcp6(packet)
        elif packet.protocol == ICMPV6 and packet.body[0] == 133:
            self.solicit(packet)
        elif str(packet.source) == self.inner4 or packet.source in self.prefix:
            os.write(self.server.tun, octets)
        else:
            tell("a packet from", packet.source, "to", packet.destination)

    # ---- DHCPv4

    def dhcp4(self, packet):
        message = dhcp4_read(packet.udp())
        options, kind = message["options"], TYPES.get(message["type"], message["type"])
        tell("DHCP", kind, "from", packet.source, "to", packet.destination,
             "wished", addresses(options.get(50, b"")), "ciaddr", message["ciaddr"])
        if message["op"] != 1 or self.options.no_dhcp4:
            return
        wanted = message["ciaddr"]
        if wanted == "0.0.0.0" and 50 in options:
            wanted = addresses(options[50])[0]
        if kind == "DISCOVER":
            self.answer4(message, 2)
        elif kind == "REQUEST" and not self.server.refuses_renewals():
            good = wanted == self.inner4 and options.get(54, packed([OWN4])) == packed([OWN4])
            self.answer4(message, 5 if good else 6)

    def answer4(self, message, kind):
        lease = self.options.lease
        options = [(54, packed([OWN4]))]
        if kind != 6:
            options += [(51, struct.pack("!I", lease)), (58, struct.pack("!I", lease // 2)),
                        (59, struct.pack("!I", lease * 7 // 8)), (1, packed(["255.255.0.0"])),
                        (3, packed([OWN4])), (6, packed([DNS4])), (26, struct.pack("!H", 1400))]
            options.append((120, b"\0" + dns_octets(["pcscf.example.net"])
                            if self.options.sip_names else b"\1" + packed([PCSCF4])))
            if not self.options.no_routes:
                net = ipaddress.ip_network(ROUTE4)
                options.append((121, bytes([net.prefixlen]) + net.network_address.packed[:3] +
                                packed([OWN4])))
        reply = dhcp4(2, kind, message["xid"], message["chaddr"], options,
                      yiaddr="0.0.0.0" if kind == 6 else self.inner4)
        self.stream.send(udp_packet(OWN4, "255.255.255.255" if kind == 6 else self.inner4,
                                    67, 68, reply))

    # ---- IPv6

    def solicit(self, packet):
        packet.icmpv6()
        tell("router solicitation from", packet.source)
        if self.options.no_ipv6:
            return
        prefix = self.prefix.network_address.packed
        advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0x40, 1800, 0, 0)
        advert += struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 7200, 3600, 0) + prefix
        advert += struct.pack("!BBHI", 5, 1, 0, 1400)
        advert += struct.pack("!BBHI", 25, 3, 0, 1800) + packed([DNS6])
        if not self.options.no_routes:
            net = ipaddress.ip_network(ROUTE6)
            advert += struct.pack("!BBBBI", 24, 2, 64, 0, 1800) + net.network_address.packed[:8]
        self.stream.send(icmpv6_packet(OWN6, str(packet.source), advert))

    def dhcp6(self, packet):
        kind, transaction, options = dhcp6_read(packet.udp())
        tell("DHCPv6 message", kind, "from", packet.source, "to", packet.destination)
        assert kind == 11 and str(packet.destination) == "ff02::1:2" and 8 in options
        wishes = struct.unpack("!%dH" % (len(options[6]) // 2), options[6])
        answer = [(1, options[1]), (2, DUID)]
        answer += [(22, packed([PCSCF6]))] if 22 in wishes else []
        answer += [(23, packed([DNS6]))] if 23 in wishes else []
        answer += [(24, dns_octets(["ims.example"]))] if 24 in wishes else []
        self.stream.send(udp_packet(OWN6, str(packet.source), 547, 546,
                                    dhcp6(7, transaction, answer)))


def list_subnet(number):
    base = int(NET6.network_address) + ((99 + number) << 64)
    return ipaddress.ip_network((base, 64))


class Server:
    def __init__(self, options):
        self.options, self.clients, self.made = options, [], 0
        self.tun = device("eftf0")
        run("ip", "address", "add", OWN4 + "/16", "dev", "eftf0")
        run("ip", "address", "add", "fd64:64:64::1/48", "dev", "eftf0", "nodad")
        run("ip", "link", "set", "eftf0", "mtu", "1400", "up")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(options.cert, options.key)
        self.context.load_verify_locations(options.ca)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.tun, selectors.EVENT_READ, self.from_tun)
        for address in ("0.0.0.0", "::"):
            listener = socket.create_server(
                (address, 443), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
            self.selector.register(listener, selectors.EVENT_READ, self.accept)

    def refuses_renewals(self):
        return os.path.exists(self.options.deaf) if self.options.deaf else False

    def accept(self, listener):
        plain, _ = listener.accept()
        plain.settimeout(10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            tls = self.context.wrap_socket(plain, server_side=True)
        except OSError as error:
            tell("handshake failed:", error)
            return
        # The same address for whoever comes again: there is one client here.
        client = Client(self, tls, 1)
        self.made += 1
        tell("connection", self.made)
        self.clients = [client]
        self.selector.register(tls, selectors.EVENT_READ, lambda _: self.from_client(client))

    def drop(self, client, why):
        tell("connection closed:", why)
        self.selector.unregister(client.stream.tls)
        client.stream.tls.close()
        if client in self.clients:
            self.clients.remove(client)

    def from_client(self, client):
        while True:
            found = client.stream.receive()
            if found is None:
                self.drop(client, "by the peer")
                return
            for kind, payload in found:
                if kind == IP_ENVELOPE:
                    client.packet(payload)
                    continue
                tell("envelope of type %#x" % kind)
                if self.options.unknown == "close":
                    self.drop(client, "an unknown envelope")
                    return
            if not client.stream.tls.pending():
                return

    def from_tun(self, tun):
        for _ in range(64):
            try:
                octets = os.read(tun, 65535)
            except BlockingIOError:
                return
            destination = ipaddress.ip_address(
                octets[16:20] if octets[0] >> 4 == 4 else octets[24:40])
            for client in self.clients:
                if str(destination) == client.inner4 or destination in client.prefix:
                    client.stream.send(octets)

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--unknown", choices=["skip", "close"], default="skip")
    parser.add_argument("--lease", type=int, default=3600)
    parser.add_argument("--no-dhcp4", action="store_true")
    parser.add_argument("--no-ipv6", action="store_true")
    parser.add_argument("--no-routes", action="store_true")
    parser.add_argument("--sip-names", action="store_true")
    parser.add_argument("--deaf", help="while this file exists, requests are not answered")
    server = Server(parser.parse_args())
    tell("ready")
    server.serve()


if __name__ == "__main__":
    sys.exit(main())
