#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP proxies as they are met in the field, and worse.

    hostile_proxy.py [--bind ADDRESS] [--port PORT] [--always BEHAVIOUR]

Prints "listening on port PORT" and serves until it is killed.  The first label
of the name in CONNECT chooses the behaviour ("CONNECT portal.example:443"),
unless --always does; the functions below are named after them.

Where CONNECT succeeds there is no TSCF: each line that comes through the
tunnel is answered with "PORT LINE", PORT being the client's end of the TCP
connection on which the tunnel was opened.
"""
import argparse
import socket
import struct
import sys
import threading
import time

OK = b"HTTP/1.1 200 Connection established\r\n"
DENIED = b"HTTP/1.1 407 Proxy Authentication Required\r\n"
DIGEST = b'Proxy-Authenticate: Digest realm="lab", nonce="0123456789", qop="auth"\r\n'


class Client:
    """One TCP connection, with its requests."""

    def __init__(self, connection, peer):
        self.connection = connection
        self.port = peer[1]
        self.file = connection.makefile("rb")

    def request(self):
        """The target's name and the fields of the next CONNECT, or None."""
        line = self.file.readline()
        fields = {}
        while True:
            field = self.file.readline()
            if field in (b"\r\n", b"\n", b""):
                break
            name, _, value = field.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        words = line.decode("latin-1").split()
        if len(words) != 3 or words[0] != "CONNECT":
            return None
        return words[1].rpartition(":")[0], fields

    def send(self, octets):
        self.connection.sendall(octets)

    def tunnel(self):
        for line in self.file:
            self.send(b"%d " % self.port + line)

    def wait_for_the_end(self):
        while self.connection.recv(65536):
            pass

    def reset(self):
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


# --- what works, oddly ------------------------------------------------------


def plain(client, _):
    client.send(OK + b"\r\n")
    client.tunnel()


def http10(client, _):
    client.send(b"HTTP/1.0 200 OK\r\n\r\n")
    client.tunnel()


def phraseless(client, _):
    client.send(b"HTTP/1.1 200\r\n\r\n")
    client.tunnel()


def bare_newlines(client, _):
    client.send(b"HTTP/1.1 200 OK\nVia: x\n\n")
    client.tunnel()


def extra(client, _):
    client.send(OK)
    for number in range(40):
        client.send(b"X-Header-%d: something that nobody needs\r\n" % number)
    client.send(b"Connection: close\r\nX-Folded: one\r\n two\r\n\r\n")
    client.tunnel()


def length0(client, _):
    client.send(OK + b"Content-Length: 0\r\n\r\n")
    client.tunnel()


def false_length(client, _):
    """Announces a page that never comes: RFC 9110 9.3.6 says to ignore that."""
    client.send(OK + b"Content-Length: 500\r\n\r\n")
    client.tunnel()


def false_chunks(client, _):
    client.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    client.tunnel()


def pieces(client, _):
    for octet in OK + b"\r\n":
        client.send(bytes([octet]))
        time.sleep(0.001)
    client.tunnel()


# --- what does not ----------------------------------------------------------


def body(client, _):
    client.send(OK + b"Content-Length: 14\r\n\r\n<html>Welcome!")
    client.wait_for_the_end()


def chunked(client, _):
    client.send(OK + b"Transfer-Encoding: chunked\r\n\r\n6\r\n<html>\r\n0\r\n\r\n")
    client.wait_for_the_end()


def portal(client, _):
    client.send(b"HTTP/1.1 302 Found\r\nLocation: http://portal.hotel.example/login?x=1\r\n\r\n")
    client.wait_for_the_end()


def portal511(client, _):
    client.send(b"HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n")
    client.wait_for_the_end()


def sly_portal(client, _):
    client.send(b"HTTP/1.1 302 Fo\x1b[31mund\r\nLocation: http://x/\x1b]0;title\x07\r\n\r\n")
    client.wait_for_the_end()


def forbidden(client, _):
    page = b"<p>No.</p>" * 100000
    client.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
    client.wait_for_the_end()


def not_allowed(client, _):
    client.send(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n\r\n")


def schemes(client, _):
    client.send(DENIED)
    for scheme in (b"Negotiate", b"NTLM", b'Digest realm="a", nonce="b"', b'Basic realm="c"',
                   b"Hawk"):
        client.send(b"Proxy-Authenticate: %s\r\n" % scheme)
    client.send(b"Content-Length: 0\r\n\r\n")
    client.wait_for_the_end()


def one_line(client, _):
    client.send(DENIED + b'Proxy-Authenticate: Basic realm="a, b", NTLM, Bearer\r\n'
                b"Content-Length: 0\r\n\r\n")
    client.wait_for_the_end()


def strange_scheme(client, _):
    client.send(DENIED + b"Proxy-Authenticate: Hawk\r\nContent-Length: 0\r\n\r\n")
    client.wait_for_the_end()


def basic_only(client, fields):
    if fields.get("proxy-authorization") == "Basic YWxpY2U6c2VjcmV0":  # alice:secret
        plain(client, fields)
    else:
        client.send(DENIED + b'Proxy-Authenticate: Basic realm="c"\r\nContent-Length: 0\r\n\r\n')
        if "proxy-authorization" in fields:
            client.wait_for_the_end()
        serve(client)


def digest_again(client, fields, answer):
    """Digest; `answer` is what a request without credentials gets."""
    authorization = fields.get("proxy-authorization", "")
    if authorization.startswith("Digest ") and 'username="alice"' in authorization:
        plain(client, fields)
    else:
        answer()


def digest(client, fields):
    def answer():
        client.send(DENIED + DIGEST + b"Content-Length: 9\r\n\r\n<p>No</p>")
        serve(client)
    digest_again(client, fields, answer)


def digest_closes(client, fields):
    digest_again(client, fields, lambda: client.send(
        DENIED + DIGEST + b"Connection: close\r\nContent-Length: 9\r\n\r\n<p>No</p>"))


def digest_closes_unsaid(client, fields):
    """As if the connection were kept; but then it is not."""
    digest_again(client, fields, lambda: client.send(
        DENIED + DIGEST + b"Content-Length: 9\r\n\r\n<p>No</p>"))


def digest_closes_at_the_end(client, fields):
    """A page of no known length."""
    digest_again(client, fields, lambda: client.send(DENIED + DIGEST + b"\r\n<p>No</p>"))


def digest_resets(client, fields):
    """Closed only when the second request is there, which is then lost."""
    def answer():
        client.send(DENIED + DIGEST + b"Content-Length: 0\r\n\r\n")
        client.request()
        client.reset()
    digest_again(client, fields, answer)


def digest_never(client, fields):
    client.send(DENIED + DIGEST + b"Content-Length: 0\r\n\r\n")
    serve(client)


def digest_silent(client, fields):
    client.send(DENIED + DIGEST + b"Content-Length: 0\r\n\r\n")
    client.wait_for_the_end()


def digest_flood(client, _):
    client.send(DENIED + DIGEST + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        client.send(b"8000\r\n" + b"x" * 32768 + b"\r\n")


def gateway(client, _):
    client.send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno\n")
    client.wait_for_the_end()


def unavailable(client, _):
    client.send(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")


def silence(client, _):
    client.wait_for_the_end()


def hang_up(_, __):
    pass


def reset(client, _):
    client.reset()


def half(client, _):
    client.send(OK + b"Via: some")


def garbage(client, _):
    client.send(bytes(range(256)) * 8)
    client.wait_for_the_end()


def nameless_field(client, _):
    client.send(OK + b"this line has no colon\r\n\r\n")
    client.wait_for_the_end()


def garbage_lines(client, _):
    client.send(b"\x00\xff\x80 hello\r\nSSH-2.0-OpenSSH_9.2\r\n\r\n")
    client.wait_for_the_end()


def long_line(client, _):
    client.send(OK + b"X-Long: " + b"x" * (1 << 20) + b"\r\n\r\n")
    client.wait_for_the_end()


def long_header(client, _):
    client.send(OK + b"X-Many: just another line\r\n" * 40000 + b"\r\n")
    client.wait_for_the_end()


def continue_first(client, _):
    client.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n")
    client.tunnel()


def continue_for_ever(client, _):
    while True:
        client.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def slow(client, _):
    for octet in OK + b"\r\n":
        client.send(bytes([octet]))
        time.sleep(1)
    client.tunnel()


def slow_page(client, fields):
    """Each octet of the page behind a 407 comes a second later."""
    client.send(DENIED + DIGEST + b"Content-Length: 1000\r\n\r\n")
    while True:
        client.send(b"x")
        time.sleep(1)


BEHAVIOURS = {name.replace("_", "-"): function for name, function in globals().items()
              if callable(function) and function.__module__ == __name__ and name[0].islower()}
always = None


def serve(client):
    request = client.request()
    if request is None:
        return
    name, fields = request
    chosen = always or name.split(".")[0]
    BEHAVIOURS.get(chosen, plain)(client, fields)


def serve_connection(connection, peer):
    try:
        serve(Client(connection, peer))
    except OSError:
        pass  # the client has gone
    finally:
        connection.close()


def main():
    global always
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--bind", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--always", choices=sorted(BEHAVIOURS))
    options = arguments.parse_args()
    always = options.always
    family = socket.AF_INET6 if ":" in options.bind else socket.AF_INET
    listener = socket.create_server((options.bind, options.port), family=family, backlog=64)
    print("listening on port", listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve_connection, args=listener.accept(), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
