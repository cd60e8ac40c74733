#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/bench/many.sh measured, in words, with the targets.

many_report.py RESULTS.JSON [--markdown FILE]    appends a section to FILE
"""
import argparse
import datetime
import json
import os
import platform
from statistics import median


def collect(results):
    """Rows of (figure, value, target or None, whether it is met or None)."""
    rows = []

    def row(figure, value, target=None, met=None):
        rows.append((figure, value, target, met))

    with_, without = ([results[k] for k in sorted(results) if k.startswith(prefix) and k[len(prefix):].isdigit()]
                      for prefix in ('handshakes ', 'handshakes without P-256 '))
    for kind in 'full', 'resumed':
        if not with_:
            break
        each = [r[kind]['server_us_each'] for r in with_]
        row(f'{kind} handshakes per second of a server core', f'{1e6 / median(each):.0f}')
        row(f'{kind} handshakes per second on this machine, clients included',
            f'{median(r[kind]["per_second"] for r in with_):.0f}')
        row(f'{kind}: connect and get an address, p50 / p99',
            ' / '.join(f'{median(r[kind]["connect_ms"][p] for r in with_):.1f} ms' for p in ('p50', 'p99')))
    ratios = [b['full']['server_us_each'] / a['full']['server_us_each'] for a, b in zip(with_, without)]
    if ratios:
        row("full handshakes per core / the same with the callback's P-256 off",
            f'{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})', 'at least 2.5, aim 4', median(ratios) >= 2.5)
    lean = results.get('handshakes, own wolfSSL')
    if lean:
        row('full handshakes per second of a server core, own wolfSSL', f'{lean["full"]["per_second_and_core"]:.0f}')
    for name, own in ('idle', False), ('idle, own wolfSSL', True):
        if name not in results:
            continue
        total = results[name]['pss_kib_each']
        wolfssl = results[name + ': wolfSSL']['wolfssl_kib_each']
        label = 'own wolfSSL' if own else 'the linked wolfSSL'
        row(f'memory of an idle tunnel, {label}: in total', f'{total:.1f} KiB', 'at most 48 KiB, aim 32' if own else None,
            total <= 48 if own else None)
        row(f'memory of an idle tunnel, {label}: above what wolfSSL takes ({wolfssl:.1f} KiB)',
            f'{total - wolfssl:.1f} KiB', 'at most 24 KiB, aim 8', total - wolfssl <= 24)
    if 'calls' in results:
        calls = results['calls']
        media = calls['media']
        row(f'cores of tscfd for 1,000 calls (measured: {calls["calls"]})',
            f'{calls["server_cores_per_1000_calls"]:.2f}')
        row('their packets lost', f'{100 * (1 - media["packets"] / media["expected"]):.2f} %')
        row('one-way delay up p99 / down p99', f'{media["up_ms"]["p99"]:.1f} / {media["down_ms"]["p99"]:.1f} ms')
    for kind in ('full', 'resumed') if 'storm' in results else ():
        storm = results['storm'][kind]
        added = max(storm['media_during'][way]['p99'] - storm['media_before'][way]['p99'] for way in ('up_ms', 'down_ms'))
        row(f'{storm["tunnels"]:,} clients back at once ({kind} TLS): all are after', f'{storm["seconds"]:.2f} s')
        row(f'... delay p99 of running calls before / during', ' / '.join(
            f'{max(storm[when][way]["p99"] for way in ("up_ms", "down_ms")):.1f} ms' for when in ('media_before', 'media_during')))
        row('... delay p99 that they add', f'{added:.1f} ms', 'at most 20 ms, aim 5', added <= 20)
        row('... clients that failed, or got another address', f'{storm["failed"]}, {storm["moved"]}')
    if 'resets' in results:
        resets = results['resets']
        for figure in 'p99', 'max':
            row(f'{resets["tunnels"]:,} clients end at once: delay {figure} of running calls before / during', ' / '.join(
                f'{max(resets[when][way][figure] for way in ("up_ms", "down_ms")):.1f} ms'
                for when in ('media_before', 'media_during')))
    if 'recovery' in results:
        r = results['recovery']
        row(f'tscfd killed under {r["tunnels"]:,} tunnels and {r["calls"]} calls: all are back after',
            f'{r["back_after_seconds"]:.1f} s', 'at most 60 s', r['back_after_seconds'] <= 60)
        row('... worst silence of a call', f'{r["media"]["worst_gap_ms"]:.0f} ms', 'at most 3000 ms',
            r['media']['worst_gap_ms'] <= 3000)
        row('... tunnels and calls that got another address', f'{r["moved"]} and {r["calls_moved"]}', 'none',
            r['moved'] + r['calls_moved'] == 0)
    return rows


def markdown(rows):
    now = datetime.datetime.now(datetime.timezone.utc)
    out = [f'## Many tunnels, {now:%Y-%m-%d}', '',
           f'{os.cpu_count()} processors, Linux {platform.release()}; the clients run on the same machine, '
           'at the lowest priority; calls and echo at real-time priority.', '',
           '| figure | measured | target | |', '|---|---|---|---|']
    for figure, value, target, met in rows:
        out.append(f'| {figure} | {value} | {target or ""} | {"" if met is None else "met" if met else "MISSED"} |')
    return '\n'.join(out) + '\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('results')
    parser.add_argument('--markdown')
    options = parser.parse_args()
    with open(options.results, encoding='utf-8') as file:
        rows = collect(json.load(file))
    width = max(len(row[0]) for row in rows)
    for figure, value, target, met in rows:
        verdict = '' if met is None else f'  {"met   " if met else "MISSED"} ({target})'
        print(f'{figure:<{width}}  {value}{verdict}')
    if options.markdown:
        with open(options.markdown, 'a', encoding='utf-8') as file:
            file.write('\n' + markdown(rows))


if __name__ == '__main__':
    main()
