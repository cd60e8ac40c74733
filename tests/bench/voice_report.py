#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runs of bench-voice come to: medians per cell and system.

    voice_report.py FACTS [--json FILE] [--markdown FILE] [--gnuplot DIRECTORY]

Reads results, one JSON object after the other, from standard input.
"""
import argparse
import json
import os
import statistics
import sys

TLS_PEERS = ["openvpn", "ocserv"]
TITLES = {"plain": "bare UDP", "tscf": "tscf", "openvpn": "OpenVPN", "ocserv": "ocserv"}
# Cell number: rating that must be reached, and that we aim at.
LIMITS = {1: (86, 91), 2: (86, 91), 3: (82, 86), 4: (82, 86), 5: (81, 86)}
LATE_MAX = 25  # ms that the link emulator may be late in a run, else it is called disturbed
WORSE_THAN_PEER = 3  # points of R, at most, in any cell
BULK_WITH_CALL, BULK_ALONE = 0.85, 0.95  # of the best peer's, at least
MANY_TUNNELS_LOSS = 2  # points of R that a flood in one tunnel may cost the others


def results(stream):
    text, decoder, at = stream.read(), json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        result, at = decoder.raw_decode(text, at)
        yield result


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def worse(run, buffer):
    return min(run["up"][buffer]["r"], run["down"][buffer]["r"])


def bulk(run, when):
    """Both directions together."""
    rates = [run["bulk"][way][when] for way in ("up", "down")]
    rates = [rate for rate in rates if rate is not None]
    return sum(rates) if rates else None


def summary(runs):
    """Medians of all that a table may want, of one cell and system."""
    return {
        "runs": len(runs),
        "r": median([worse(run, "adaptive") for run in runs]),
        "r_min": min(worse(run, "adaptive") for run in runs),
        "r_max": max(worse(run, "adaptive") for run in runs),
        "r_fixed": median([worse(run, "fixed") for run in runs]),
        "r_up": median([run["up"]["adaptive"]["r"] for run in runs]),
        "r_down": median([run["down"]["adaptive"]["r"] for run in runs]),
        "mos": median([min(run[w]["adaptive"]["mos"] for w in ("up", "down")) for run in runs]),
        "p50_ms": median([max(run[w]["delay_ms"]["p50"] for w in ("up", "down")) for run in runs]),
        "p99_ms": median([max(run[w]["delay_ms"]["p99"] for w in ("up", "down")) for run in runs]),
        "max_ms": median([max(run[w]["delay_ms"]["max"] for w in ("up", "down")) for run in runs]),
        "gap_ms": median([max(run[w]["longest_gap_ms"] for w in ("up", "down")) for run in runs]),
        "lost": median([max(run[w]["lost"] for w in ("up", "down")) for run in runs]),
        "bulk_alone": median([bulk(run, "alone") for run in runs]),
        "bulk_call": median([bulk(run, "call") for run in runs]),
        "base_r": median([run.get("base_r") for run in runs]),
    }


def best_peer(row, key):
    values = [row[peer][key] for peer in TLS_PEERS if peer in row and row[peer][key] is not None]
    return max(values) if values else None


def ratio(row, key):
    peer = best_peer(row, key)
    if "tscf" not in row or not row["tscf"][key] or not peer:
        return None
    return row["tscf"][key] / peer


def number(value, form="{:.0f}"):
    return "-" if value is None else form.format(value)


def mbit(value):
    return None if value is None else value / 1e6


def disturbed(runs):
    """How many of them were made while the machine kept the emulator waiting."""
    return sum(1 for run in runs if run["link"]
               and max(run["link"][w]["late_ms"]["max"] for w in ("up", "down")) > LATE_MAX)


def headings():
    return (["cell"] + list(TITLES.values()) + ["tscf to peer", "delay p99, ms", "bulk with call", "bulk alone"])


def lines(table, cells):
    """The table's rows: text, for people."""
    for cell in cells:
        row = table.get(cell["number"], {})
        peer = best_peer(row, "r")
        gain = row["tscf"]["r"] - peer if "tscf" in row and peer is not None else None
        yield (["%d. %s" % (cell["number"], cell["name"])]
               + [number(row[s]["r"]) if s in row else "-" for s in TITLES]
               + [number(gain, "{:+.0f}"),
                  " / ".join(number(row[s]["p99_ms"]) if s in row else "-" for s in TITLES),
                  number(ratio(row, "bulk_call"), "{:.2f}"),
                  number(ratio(row, "bulk_alone"), "{:.2f}")])


def print_table(table, facts, out):
    rows = [headings()] + list(lines(table, facts["cells"]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0])]
                        + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]), file=out)


def judge(table):
    """(passed, what): a verdict on each target, of the cells that were run."""
    for cell, (least, aim) in LIMITS.items():
        if "tscf" in table.get(cell, {}):
            r = table[cell]["tscf"]["r"]
            yield r >= least, "cell %d: R %.1f, at least %d (aim %d)" % (cell, r, least, aim)
    gains = {cell: row["tscf"]["r"] - best_peer(row, "r") for cell, row in table.items()
             if "tscf" in row and best_peer(row, "r") is not None}
    yield from judge_all(gains, -WORSE_THAN_PEER, "R less that of the best TLS peer: %.1f, at least %d")
    for key, least, what in (("bulk_call", BULK_WITH_CALL, "beside a call"), ("bulk_alone", BULK_ALONE, "alone")):
        shares = {cell: ratio(row, key) for cell, row in table.items() if ratio(row, key) is not None}
        yield from judge_all(shares, least, "bulk " + what + ": %.2f of the best TLS peer's, at least %.2f")
    for cell, row in table.items():
        if "tscf" in row and row["tscf"]["base_r"] is not None:
            cost = row["tscf"]["base_r"] - row["tscf"]["r"]
            yield cost < MANY_TUNNELS_LOSS, "cell %d: the flood costs the others %.1f of R, less than %d" % (
                cell, cost, MANY_TUNNELS_LOSS)


def judge_all(values, least, what):
    """A target that holds for all cells: each that misses it, or the one that is nearest to it."""
    missed = sorted(cell for cell, value in values.items() if value < least)
    for cell in missed:
        yield False, "cell %d: %s" % (cell, what % (values[cell], least))
    if values and not missed:
        cell = min(values, key=values.get)
        yield True, "all %d cells, the worst is cell %d: %s" % (len(values), cell, what % (values[cell], least))


def write_markdown(path, table, facts, verdicts, runs):
    with open(path, "w") as out:
        print("# Voice: results of scripts/bench-voice\n", file=out)
        print("%s; %s, %d CPUs (%s); commit %s; %s; %s; %s; %s." % (
            facts["date"], facts["kernel"], facts["cpus"], facts["cpu"], facts["commit"],
            facts["tscf"], facts["openvpn"], facts["ocserv"], facts["openconnect"]), file=out)
        print("Medians of %d seeds, calls of %d s, %d runs at a time%s.\n" % (
            facts["seeds"], facts["seconds"], facts["jobs"],
            ", tse with " + facts["options"] if facts["options"] else ""), file=out)
        if disturbed(runs):
            print("%d of %d runs were disturbed: the machine was busy with something else.\n" % (
                disturbed(runs), len(runs)), file=out)
        print("R of the worse direction (ITU-T G.107, G.711 with concealment, adaptive play-out); "
              "one-way delay p99 of the worse direction in the order bare UDP / tscf / OpenVPN / ocserv; "
              "bulk throughput of tscf as a share of the better TLS peer's.\n", file=out)
        rows = [headings(), ["---"] + ["---:"] * (len(headings()) - 1)] + list(lines(table, facts["cells"]))
        for row in rows:
            print("| " + " | ".join(row) + " |", file=out)
        print("", file=out)
        for good, what in verdicts:
            print("* %s: %s" % ("pass" if good else "**fail**", what), file=out)


def write_gnuplot(directory, table, runs, facts):
    """ratings: a line per cell; delays: quantiles of all packets of the cells with limits."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "ratings"), "w") as out:
        for cell in facts["cells"]:
            row = table.get(cell["number"], {})
            print(cell["number"], *["%.1f" % row[s]["r"] if s in row else "NaN" for s in TITLES], file=out)
    plotted = LIMITS.keys() & table.keys() or table.keys()
    for system in TITLES:
        with open(os.path.join(directory, "delay." + system), "w") as out:
            chosen = [run[w]["delay_ms"]["quantiles"] for run in runs for w in ("up", "down")
                      if run["system"] == system and run["cell"] in plotted and run[w]["received"]]
            for i, values in enumerate(zip(*chosen)):
                print("%.2f %d" % (statistics.median(values), i * 100 // 20), file=out)
            if not chosen:
                print("NaN NaN", file=out)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("facts")
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    parser.add_argument("--gnuplot")
    options = parser.parse_args()
    with open(options.facts) as file:
        facts = json.load(file)
    runs = list(results(sys.stdin))
    grouped = {}
    for run in runs:
        grouped.setdefault(run["cell"], {}).setdefault(run["system"], []).append(run)
    table = {cell: {system: summary(of) for system, of in row.items()} for cell, row in grouped.items()}
    verdicts = list(judge(table))
    print_table(table, facts, sys.stdout)
    print()
    for good, what in verdicts:
        print("%s  %s" % ("pass" if good else "FAIL", what))
    if disturbed(runs):
        print("%d of %d runs were disturbed: the machine was busy" % (disturbed(runs), len(runs)))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"facts": facts, "summary": table, "verdicts": verdicts, "runs": runs}, file, indent=1)
    if options.markdown:
        write_markdown(options.markdown, table, facts, verdicts, runs)
    if options.gnuplot:
        write_gnuplot(options.gnuplot, table, runs, facts)


main()
