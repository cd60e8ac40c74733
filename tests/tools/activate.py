#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service manager with socket activation, as small as can be: opens listening
sockets, runs a program with them (sd_listen_fds(3)), and runs it again whenever
it has ended, after a pause in which nobody accepts.  SIGTERM ends both.

    activate.py --pause SECONDS ADDRESS:PORT... -- PROGRAM [ARGUMENT]..."""
import os
import signal
import socket
import sys
import time


def listen(text):
    host, _, port = text.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((host.strip("[]"), int(port)))
    listener.listen(4096)
    return listener


def run(listeners, command):
    pid = os.fork()
    if pid:
        return pid
    # Out of the way first, so that no dup2 closes one that is still needed.
    high = [os.dup2(listener.fileno(), 100 + i) for i, listener in enumerate(listeners)]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i, inheritable=True)
        os.close(fd)
    os.environ.update(LISTEN_FDS=str(len(listeners)), LISTEN_PID=str(os.getpid()))
    os.execvp(command[0], command)


def main():
    arguments = sys.argv[1:]
    split = arguments.index("--")
    pause = float(arguments[1])
    listeners = [listen(text) for text in arguments[2:split]]
    child = 0

    def stop(_signal, _frame):
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    while True:
        child = run(listeners, arguments[split + 1:])
        print(f"process {child}", flush=True)
        os.waitpid(child, 0)
        time.sleep(pause)


main()
