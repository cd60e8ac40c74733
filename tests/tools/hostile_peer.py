#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A peer that does not keep to the protocol, to show that only it suffers.

    hostile_peer.py client --profile FILE [OPTION]... ACTION   a TSE, against tscfd
    hostile_peer.py server --cert FILE --key FILE [OPTION]... ACTION   a TSCF, against tse

What the other side says is printed, one line for each message, and "closed" with
the seconds until then.  Exit status: 0 the other side closed the connection, 3 it
was still open at the end of --wait seconds.  The server ends with its first client.
"""
import argparse
import base64
import configparser
import ipaddress
import os
import signal
import socket
import ssl
import struct
import sys
import tempfile
import time

# ----------------------------------------------------------------- the wire

IP, CONTROL, OFFLOAD = 0x01, 0x80, 0x81
MAGIC = 0x5453
CONFIGURATION_REQUEST, CONFIGURATION_RESPONSE, JOIN_REQUEST = 1, 2, 3
KEEPALIVE_REQUEST, KEEPALIVE_RESPONSE, CONFIGURATION_UPDATE = 5, 6, 9
KINDS = {2: "Configuration Response", 4: "Join Response", 6: "Keep-alive Response",
         7: "Release Request", 8: "Release Response"}
CAPABILITY_OFFLOAD = 1


def envelope(kind, payload, length=None):
    return struct.pack("!BH", kind, 3 + len(payload) if length is None else length) + payload


def tlv(tag, value, length=None):
    return struct.pack("!HH", tag, len(value) if length is None else length) + value


def control(kind, *tlvs, transaction=1, magic=MAGIC):
    return envelope(CONTROL, struct.pack("!HBBH", magic, kind, 0, transaction) + b"".join(tlvs))


def configuration_request(*more, capabilities=CAPABILITY_OFFLOAD, version=1):
    return control(CONFIGURATION_REQUEST, tlv(0x01, struct.pack("!H", version)),
                   tlv(0x02, struct.pack("!I", capabilities)), tlv(0x03, b"hostile"),
                   tlv(0x04, b"hostile instance"), *more)


def tlvs_of(payload):
    at, found = 6, {}
    while at + 4 <= len(payload):
        tag, length = struct.unpack("!HH", payload[at:at + 4])
        found.setdefault(tag, payload[at + 4:at + 4 + length])
        at += 4 + length
    return found


def checksum(octets):
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_packet(source, length=100):
    """IPv4 and UDP without a checksum, to the P-CSCF's discard port."""
    destination = ipaddress.ip_address("10.99.0.10")
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0,
                       source.packed, destination.packed)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + struct.pack("!HHHH", 9, 9, length - 20, 0) + bytes(length - 28)


def tcp_packet(source, length=4000, flags=0x10, fragment=0x4000):
    """TCP over either family, without its checksum, to the P-CSCF."""
    tcp = struct.pack("!HHIIBBHHH", 9, 9, 1, 1, 0x50, flags, 500, 0, 0)
    if source.version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 1, fragment, 64, 6, 0, source.packed,
                           ipaddress.ip_address("10.99.0.10").packed)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, length - 40, 6, 64, source.packed,
                           ipaddress.ip_address("fd99::10").packed)
    return head + tcp + bytes(length - len(head) - len(tcp))


def with_option(packet):
    """The same IPv6 packet with eight octets of destination options."""
    return packet[:4] + struct.pack("!HB", len(packet) - 32, 60) + packet[7:40] + \
        bytes((packet[6], 0, 1, 4, 0, 0, 0, 0)) + packet[40:]


def offloaded(packet, flags=1, kind=5, header=28, segment=500, start=20, offset=6):
    return envelope(OFFLOAD, struct.pack("!BBHHHH", flags, kind, header, segment, start, offset) +
                    packet)


class Closed(Exception):
    pass


class Stream:
    """Envelopes over a connection, with or without TLS."""

    def __init__(self, connection, wait):
        self.connection, self.began, self.buffer = connection, time.monotonic(), b""
        self.deadline = self.began + wait

    def send(self, octets):
        try:
            self.connection.sendall(octets)
        except OSError as error:
            raise Closed from error

    def receive(self):
        """Some octets.  TimeoutError at the deadline."""
        self.connection.settimeout(max(self.deadline - time.monotonic(), 0.001))
        try:
            octets = self.connection.recv(65536)
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed from error
        if not octets:
            raise Closed
        return octets

    def envelope(self):
        while len(self.buffer) < 3 or len(self.buffer) < self.length():
            self.buffer += self.receive()
        whole, self.buffer = self.buffer[:self.length()], self.buffer[self.length():]
        return whole[0], whole[3:]

    def length(self):
        return struct.unpack("!H", self.buffer[1:3])[0]

    def message(self):
        """The TLVs of the next control message, which is printed."""
        kind, payload = self.envelope()
        while kind != CONTROL:
            kind, payload = self.envelope()
        found = tlvs_of(payload)
        line = [KINDS.get(payload[2], "kind %d" % payload[2])]
        if 0x05 in found:
            line.append("result %d" % struct.unpack("!H", found[0x05]))
        if 0x07 in found:
            line.append("retry after %d s" % struct.unpack("!I", found[0x07]))
        known = set(range(0x01, 0x33))
        line += ["tag 0x%04x" % tag for tag in found if tag not in known]
        if 0x06 in found:
            line.append(found[0x06].decode())
        print(", ".join(line), flush=True)
        return payload[2], found

    def until_closed(self):
        while True:
            self.message()


# ------------------------------------------------------------------- a TSE

def configured(stream, family=4, **options):
    """Gets a tunnel; its inner address."""
    stream.send(configuration_request(**options))
    _, found = stream.message()
    # Of IPv6 we have a prefix, in which any address is ours.
    return ipaddress.ip_address(found[0x20][:4] if family == 4 else found[0x21][:15] + b"\1")


def after_configuration(make, family=4, **options):
    """An action that first gets a tunnel, then sends what make(address) returns."""
    def action(stream, _):
        stream.send(make(configured(stream, family, **options)))
        stream.until_closed()
    return action


def at_once(octets):
    def action(stream, _):
        stream.send(octets)
        stream.until_closed()
    return action


def drip(stream, _):
    """A ClientHello, one octet at a time, so slowly that it never ends."""
    stream.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    while True:
        stream.send(b"\0")
        stream.connection.settimeout(0.1)
        try:
            if not stream.connection.recv(1):
                raise Closed
        except TimeoutError:
            pass


def deaf(stream, options):
    """Asks for ever, and never reads an answer."""
    configured(stream)
    question = control(KEEPALIVE_REQUEST, tlv(0x3f, bytes(16000))) * 16
    sent, end = 0, time.monotonic() + options.wait
    stream.connection.settimeout(1)
    try:
        while time.monotonic() < end and sent < 64 << 20:
            sent += stream.connection.send(question)
    except TimeoutError:
        print("no more is taken after %d KiB" % (sent >> 10), flush=True)
        raise
    except OSError as error:
        raise Closed from error
    print("everything is taken: %d KiB" % (sent >> 10), flush=True)
    raise TimeoutError


def spoof(stream, _):
    """Packets with sources and destinations that are not its own, then a question
    that shows that the session lives."""
    own = configured(stream)
    packets = [udp_packet(address) for address in
               (own + 1, ipaddress.ip_address("10.99.0.10"), ipaddress.ip_address("192.0.2.10"))]
    stream.send(b"".join(envelope(IP, packet) for packet in packets) + control(KEEPALIVE_REQUEST))
    kind, _ = stream.message()
    if kind != KEEPALIVE_RESPONSE:
        raise Closed
    raise TimeoutError


def join_key(stream):
    """Gets a tunnel; the key that names it."""
    stream.send(configuration_request())
    _, found = stream.message()
    return found[0x14]


def join(options, profile, key, index, lane_class=0):
    """One more connection, which asks to be a lane."""
    lane = Stream(connect_as(options, profile), options.wait)
    lane.send(control(JOIN_REQUEST, tlv(0x14, key), tlv(0x15, bytes((index, lane_class)))))
    try:
        lane.message()
    except Closed:
        print("the lane is closed without an answer", flush=True)
    return lane


def join_other(stream, options):
    """The key is right, the certificate another client's."""
    join(options, options.other, join_key(stream), 1)


def join_many(stream, options):
    key = join_key(stream)
    return [join(options, options.profile, key, index) for index in range(1, 18)]


def join_class(stream, options):
    join(options, options.profile, join_key(stream), 1, lane_class=9)


def silence(stream, _):
    stream.until_closed()


CLIENT = {
    "silence": silence,
    "http": at_once(b"GET / HTTP/1.1\r\nHost: tscf.example.net\r\n\r\n"),
    "length": at_once(envelope(CONTROL, b"", length=2)),
    "magic": at_once(control(CONFIGURATION_REQUEST, magic=0x1234)),
    "header": at_once(envelope(CONTROL, b"\x54\x53\x01")),
    "critical": at_once(configuration_request(tlv(0x803f, b"x"))),
    "unknown": at_once(configuration_request(tlv(0x003f, b"x"))),
    "version": at_once(configuration_request(version=9)),
    "twice": at_once(configuration_request(tlv(0x03, b"again"))),
    "overrun": at_once(configuration_request(tlv(0x03, b"short", length=500))),
    "size": at_once(configuration_request(tlv(0x20, b"\x0a\x40"))),
    "missing": at_once(control(CONFIGURATION_REQUEST, tlv(0x02, bytes(4)))),
    "text": at_once(control(CONFIGURATION_REQUEST, tlv(0x01, b"\0\1"), tlv(0x02, bytes(4)),
                            tlv(0x03, b"evil\x1b[2Jname"))),
    "wish": at_once(configuration_request(tlv(0x20, bytes((10, 64, 0, 77, 32))))),
    "join": at_once(control(JOIN_REQUEST, tlv(0x14, bytes(32)), tlv(0x15, b"\1\0"))),
    "keepalive": at_once(control(KEEPALIVE_REQUEST)),
    "plain": at_once(envelope(IP, udp_packet(ipaddress.ip_address("0.0.0.0")))),
    "offload-first": at_once(offloaded(udp_packet(ipaddress.ip_address("10.64.0.2"), 1400))),
    "offload-unasked": after_configuration(lambda own: offloaded(udp_packet(own, 1400)),
                                           capabilities=0),
    "offload-type": after_configuration(lambda own: offloaded(udp_packet(own, 1400), kind=9)),
    "offload-flags": after_configuration(lambda own: offloaded(udp_packet(own, 1400), flags=3)),
    "offload-start": after_configuration(lambda own: offloaded(udp_packet(own, 1400), start=1398)),
    "offload-segment": after_configuration(lambda own: offloaded(udp_packet(own, 1400), segment=1)),
    "offload-empty": after_configuration(lambda own: offloaded(b"")),
    "offload-short": after_configuration(lambda own: offloaded(udp_packet(own, 1400)[:200])),
    "ip-short": after_configuration(lambda own: envelope(IP, udp_packet(own)[:60])),
    "ip-long": after_configuration(lambda own: envelope(IP, udp_packet(own) + b"more")),
    "ip-version": after_configuration(lambda own: envelope(IP, b"\x75" + udp_packet(own)[1:])),
    "late-length": after_configuration(lambda own: envelope(IP, b"", length=1)),
    "late-magic": after_configuration(lambda own: control(KEEPALIVE_REQUEST, magic=0)),
    "spoof": spoof,
    "join-other": join_other,
    "join-many": join_many,
    "join-class": join_class,
    "deaf": deaf,
}
TCP4, TCP6, UDP, ECN = 1, 4, 5, 0x80


def rule(make=tcp_packet, family=4, **header):
    """One super-packet of a good shape, but for what `header` says."""
    start = 20 if family == 4 else 40
    if make == udp_packet:
        good = {"kind": UDP, "header": 28, "segment": 500, "start": 20, "offset": 6}
    else:
        good = {"kind": TCP4 if family == 4 else TCP6, "header": start + 20, "segment": 1400,
                "start": start, "offset": 16}
    return after_configuration(lambda own: offloaded(make(own), **{**good, **header}), family)


def long_udp(own):
    return udp_packet(own, 1400)


# Every rule of the offload header, broken one at a time; those that keep them all show
# that it is the breach that ends the session.
CLIENT.update({
    "rule-kept-tcp4": rule(),
    "rule-kept-tcp6": rule(family=6),
    "rule-kept-udp": rule(udp_packet, segment=50),
    "rule-kept-header-length": rule(header=9999),
    "rule-flags-unknown": rule(flags=3),
    "rule-flags-missing": rule(flags=0),
    "rule-type-unknown": rule(kind=9),
    "rule-type-family": rule(kind=TCP6),
    "rule-type-protocol": rule(kind=UDP, offset=6),
    "rule-type-udp-ecn": rule(udp_packet, kind=UDP | ECN),
    "rule-checksum-start": rule(start=24),
    "rule-checksum-offset": rule(offset=6),
    "rule-segment-zero": rule(segment=0),
    "rule-segment-tcp4-small": rule(segment=535),
    "rule-segment-tcp6-small": rule(family=6, segment=1219),
    "rule-segment-mtu": rule(segment=1461),
    "rule-segment-mtu6": rule(family=6, segment=1441),
    "rule-segment-udp-65": rule(long_udp, kind=UDP, header=28, segment=21, offset=6),
    "rule-packet-fragment": rule(lambda own: tcp_packet(own, fragment=0x2000)),
    "rule-packet-extension": rule(lambda own: with_option(tcp_packet(own)), family=6, start=48),
    "rule-packet-udp-length": rule(lambda own: long_udp(own)[:24] + b"\0\x64" + long_udp(own)[26:],
                                   kind=UDP, header=28, segment=500, offset=6),
})
CLIENT_TCP = {
    "tcp-silence": silence,
    "tcp-http": at_once(b"GET / HTTP/1.1\r\n\r\n"),
    "tcp-drip": drip,
    "tcp-record": at_once(b"\x16\x03\x03\xff\xff" + bytes(70000)),
}


# ------------------------------------------------------------------ a TSCF

def response(*more, result=0, transaction=1, mtu=1400, routes=((10, 99, 0, 0, 24),)):
    return control(CONFIGURATION_RESPONSE, tlv(0x01, b"\0\1"), tlv(0x02, bytes(4)),
                   tlv(0x05, struct.pack("!H", result)), tlv(0x12, bytes(32)),
                   tlv(0x14, bytes(32)), tlv(0x20, bytes((10, 64, 0, 2, 32))),
                   tlv(0x22, struct.pack("!H", mtu)), tlv(0x30, struct.pack("!I", 45000)),
                   *[tlv(0x23, bytes(route)) for route in routes], *more, transaction=transaction)


def refusal(result, *more):
    return control(CONFIGURATION_RESPONSE, tlv(0x01, b"\0\1"), tlv(0x02, bytes(4)),
                   tlv(0x05, struct.pack("!H", result)), *more)


def keep_alive_once(stream):
    kind, payload = stream.envelope()
    while kind != CONTROL or payload[2] != KEEPALIVE_REQUEST:
        kind, payload = stream.envelope()
    stream.send(envelope(CONTROL, payload[:2] + bytes((KEEPALIVE_RESPONSE, 0)) + payload[4:]))


def keep_alive(stream):
    while True:
        keep_alive_once(stream)


def answer(octets):
    """An action that answers the Configuration Request so, and keep-alives rightly."""
    def action(stream, _):
        stream.envelope()
        stream.send(octets)
        keep_alive(stream)
    return action


def update(*tlvs):
    return control(CONFIGURATION_UPDATE, *tlvs)


def updates(stream, _):
    """Configuration Updates that no TSE follows, and then one that it does."""
    all_values = tlv(0x05, bytes(2))
    stream.envelope()
    stream.send(response())
    stream.send(update(tlv(0x20, bytes((10, 64, 0, 3, 32))), tlv(0x25, bytes((10, 99, 0, 66)))))
    stream.send(update(all_values, tlv(0x23, bytes(5))))
    for route in ((192, 0, 2, 0, 24), (198, 51, 100, 0, 24)):
        stream.send(update(tlv(0x23, bytes(route))))
    stream.send(update(tlv(0x25, bytes((10, 99, 0, 77)))))
    keep_alive(stream)


def flood(stream, _):
    """2,000 Updates that change nothing, 1,000 that change the P-CSCF, and 500 times
    word that the TSE shall go elsewhere."""
    stream.envelope()
    stream.send(response())
    keep_alive_once(stream)
    stream.send(update(tlv(0x23, bytes((10, 99, 0, 0, 24)))) * 2000)
    stream.send(b"".join(update(tlv(0x25, bytes((10, 99, 1, number % 250)))) for number in range(999)))
    stream.send(update(tlv(0x25, bytes((10, 99, 0, 88)))))
    stream.send(update(tlv(0x05, b"\0\x0a")) * 500)
    keep_alive(stream)


def late(stream, _):
    """The same, so late that the TSE has begun to ask by DHCP."""
    stream.envelope()
    while stream.envelope()[0] != IP:
        pass
    print("asked by DHCP", flush=True)
    stream.send(response())
    keep_alive(stream)


def hang_up(stream, _):
    stream.envelope()
    raise Closed


def say(octets):
    def action(stream, _):
        stream.receive()
        stream.send(octets)
        raise Closed
    return action


def greet(stream, _):
    stream.send(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    stream.until_closed()


HTTP_ANSWER = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
SERVER = {
    "grant": answer(response()),
    "silence": silence,
    "http": say(HTTP_ANSWER),
    "late": late,
    "updates": updates,
    "flood": flood,
    "hang-up": hang_up,
    "length": answer(envelope(CONTROL, b"", length=1)),
    "magic": answer(control(CONFIGURATION_RESPONSE, magic=0x1234)),
    "mtu": answer(response(mtu=576)),
    "no-address": answer(control(CONFIGURATION_RESPONSE, tlv(0x01, b"\0\1"), tlv(0x02, bytes(4)),
                                 tlv(0x05, bytes(2)))),
    "no-routes": answer(response(routes=())),
    "default-route": answer(response(routes=((0, 0, 0, 0, 0), (0, 0, 0, 0, 1), (128, 0, 0, 0, 1)))),
    "outer-route": answer(response(routes=((192, 0, 2, 0, 24),))),
    "loopback-route": answer(response(routes=((127, 0, 0, 0, 8),))),
    "local-route": answer(response(routes=((198, 51, 100, 0, 24),))),
    "overloaded": answer(refusal(6, tlv(0x06, b"come back later"), tlv(0x07, b"\0\0\0\x1e"))),
    "escape": answer(refusal(5, tlv(0x06, b"\x1b[2J\x1b[1;1Hgone"))),
    "future": answer(refusal(77, tlv(0x06, b"a result of a later version"))),
}
SERVER_TCP = {
    "tcp-silence": silence,
    "tcp-http": say(HTTP_ANSWER),
    "tcp-ssh": greet,
    "tcp-close": say(b""),
}


# ------------------------------------------------------------- connections

def pem(kind, der):
    lines = base64.encodebytes(der).decode()
    return "-----BEGIN %s-----\n%s-----END %s-----\n" % (kind, lines, kind)


def profile_value(profile, key):
    return base64.b64decode(profile["tscf"][key].replace("base64:", "").replace("\n", ""))


def client_context(path):
    profile = configparser.ConfigParser(strict=False)
    profile.read(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem("CERTIFICATE", profile_value(profile, "ca")))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem("CERTIFICATE", profile_value(profile, "cert")) +
                   pem("EC PRIVATE KEY", profile_value(profile, "key")))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def limit_version(context, version):
    if version:
        context.minimum_version = context.maximum_version = {
            "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    return context


def connect_as(options, profile):
    context = limit_version(client_context(profile), options.tls)
    return context.wrap_socket(socket.create_connection((options.host, 443)),
                               server_hostname=options.host)


def connect(options):
    if options.action in CLIENT_TCP:
        return socket.create_connection((options.host, 443))
    connection = connect_as(options, options.profile)
    print(connection.version(), connection.cipher()[0], flush=True)
    return connection


def accept(options):
    listener = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True)
    connection, _ = listener.accept()
    listener.close()
    if options.action not in SERVER_TCP:
        context = limit_version(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), options.tls)
        context.load_cert_chain(options.cert, options.key)
        connection = context.wrap_socket(connection, server_side=True)
        print(connection.version(), connection.cipher()[0], flush=True)
    return connection


def arguments():
    parser = argparse.ArgumentParser()
    roles = parser.add_subparsers(dest="role", required=True)
    client = roles.add_parser("client")
    client.add_argument("--profile")
    client.add_argument("--other", help="another client's profile")
    client.add_argument("--host", default="tscf.example.net")
    client.add_argument("action", choices=[*CLIENT, *CLIENT_TCP])
    server = roles.add_parser("server")
    server.add_argument("--cert")
    server.add_argument("--key")
    server.add_argument("action", choices=[*SERVER, *SERVER_TCP])
    for role in client, server:
        role.add_argument("--tls", choices=["1.2", "1.3"])
        role.add_argument("--wait", type=float, default=10)
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    options = arguments()
    if options.role == "client":
        connection, actions = connect(options), {**CLIENT, **CLIENT_TCP}
    else:
        connection, actions = accept(options), {**SERVER, **SERVER_TCP}
    stream = Stream(connection, options.wait)
    status = 0
    try:
        actions[options.action](stream, options)
    except Closed:
        print("closed after %.1f s" % (time.monotonic() - stream.began), flush=True)
    except TimeoutError:
        print("still open", flush=True)
        status = 3
    # Not by close(), which would wait for the other side's close_notify.
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
