#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers in everybody's place, as captive portals and TLS interceptors do.

    middlebox.py [--redirect URL] [--cert FILE --key FILE | --mute]

Port 80, with --redirect: each request is sent there with a 302.  Port 443, with
--cert: a TLS handshake with that certificate, and then nothing; with --mute: TCP,
and then nothing.  IPv4 and IPv6, all addresses.  Prints "listening" and serves
until it is killed.
"""
import argparse
import socket
import ssl
import threading


def redirect(connection, url):
    connection.makefile("rb").readline()
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + url.encode() +
                       b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def intercept(connection, context):
    with context.wrap_socket(connection, server_side=True) as stream:
        while stream.recv(65536):
            pass


def swallow(connection, _):
    while connection.recv(65536):
        pass


def serve_connection(connection, answer, argument):
    connection.settimeout(10)
    try:
        with connection:
            answer(connection, argument)
    except OSError:
        pass  # the other side did not like it


def serve(port, answer, argument):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve_connection, args=(connection, answer, argument),
                             daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--redirect", metavar="URL")
    arguments.add_argument("--cert")
    arguments.add_argument("--key")
    arguments.add_argument("--mute", action="store_true")
    options = arguments.parse_args()
    if options.redirect:
        serve(80, redirect, options.redirect)
    if options.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.cert, options.key)
        serve(443, intercept, context)
    if options.mute:
        serve(443, swallow, None)
    print("listening", flush=True)


main()
