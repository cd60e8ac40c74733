#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of scripts/bench: medians, spread, ratios and targets.

    report.py MACHINE RESULTS [--json FILE] [--markdown FILE]

MACHINE is a JSON object that says where the figures come from, RESULTS has one
JSON object for each system and round.  A ratio is the median of the ratios
within one round; a spread is half the range, in percent of the median.
"""

import argparse
import json
import statistics
import sys

# key, name, unit, digits behind the point
FIGURES = [
    ("tcp1_up", "TCP 1 stream up", "Gbit/s", 2),
    ("tcp1_down", "TCP 1 stream down", "Gbit/s", 2),
    ("tcp4_up", "TCP 4 streams up", "Gbit/s", 2),
    ("tcp4_down", "TCP 4 streams down", "Gbit/s", 2),
    ("udp_up", "UDP 200 octets up", "packets/s", 0),
    ("udp_down", "UDP 200 octets down", "packets/s", 0),
    ("ping_p50_us", "ping idle p50", "us", 0),
    ("ping_p99_us", "ping idle p99", "us", 0),
    ("stream_p50_us", "ping under 1 stream p50", "us", 0),
    ("stream_p99_us", "ping under 1 stream p99", "us", 0),
    ("loaded_p50_us", "ping under 4 streams p50", "us", 0),
    ("loaded_p99_us", "ping under 4 streams p99", "us", 0),
    ("cpu_s_per_gb", "CPU of the daemons", "s/GB", 2),
    ("machine_cpu_s_per_gb", "CPU of the machine", "s/GB", 2),
    ("cpu_us_per_packet", "CPU of the daemons", "us/packet", 1),
    ("connect_ms", "start to first answer", "ms", 1),
    ("memory_client_kib", "memory of the client", "KiB", 0),
    ("memory_server_kib", "memory of the server", "KiB", 0),
]
RATIOS = ["tcp1_up", "tcp1_down", "tcp4_up", "tcp4_down", "udp_up", "udp_down",
          "cpu_s_per_gb", "cpu_us_per_packet"]
PEERS = ["veth", "openvpn", "ocserv", "wireguard"]
TLS_PEERS = ["openvpn", "ocserv"]


class Results:
    """Figures by system and round."""

    def __init__(self, lines):
        self.rows = {}
        self.systems = []
        for line in lines:
            row = json.loads(line)
            if row["system"] not in self.systems:
                self.systems.append(row["system"])
            self.rows[row["system"], row["round"]] = row
        self.rounds = sorted({number for _, number in self.rows})

    def values(self, system, key):
        found = [self.rows[system, number].get(key) for number in self.rounds
                 if (system, number) in self.rows]
        return [value for value in found if value is not None]

    def ratios(self, system, others, key):
        """Per round: the system's figure by the best of the others'."""
        found = []
        for number in self.rounds:
            ours = self.rows.get((system, number), {}).get(key)
            theirs = [self.rows[other, number].get(key) or 0
                      for other in others if (other, number) in self.rows]
            if ours is not None and theirs and max(theirs) > 0:
                found.append(ours / max(theirs))
        return found


def summary(values, digits=4):
    if not values:
        return None
    median = statistics.median(values)
    return {"median": round(median, digits), "min": round(min(values), digits),
            "max": round(max(values), digits), "values": [round(v, digits) for v in values],
            "spread_percent": round(50 * (max(values) - min(values)) / median, 1) if median else 0}


def target(name, values, least, aim, lower_is_better=False, digits=2, unit=""):
    """One line of the list of targets; the verdict is of the median."""
    if not values:
        return {"target": name, "verdict": "not measured", "least": least, "aim": aim,
                "lower_is_better": lower_is_better, "unit": unit}
    got = statistics.median(values)

    def reached(limit):
        return got <= limit if lower_is_better else got >= limit
    verdict = "aim reached" if reached(aim) else "pass" if reached(least) else "FAIL"
    return {"target": name, "got": round(got, digits + 1), "least": least, "aim": aim,
            "verdict": verdict, "lower_is_better": lower_is_better, "unit": unit}


def targets(results):
    found = []
    for way in ("up", "down"):
        key = "tcp1_" + way
        for other, least, aim in (("veth", .40, .60), ("openvpn", 6.5, 10), ("ocserv", 4.5, 7),
                                  ("wireguard", 2.2, 3.5)):
            found.append(target(f"TCP 1 stream {way} / {other}",
                                results.ratios("tscf", [other], key), least, aim))
        found.append(target(f"TCP 1 stream {way}, plain TS 24.322 peer / veth",
                            results.ratios("tscf-plain", ["veth"], key), .30, .45))
    found.append(target("CPU seconds per GB / openvpn",
                        results.ratios("tscf", ["openvpn"], "cpu_s_per_gb"), .12, .07, True, 3))
    for way in ("up", "down"):
        found.append(target(f"UDP packets per second {way} / best TLS peer",
                            results.ratios("tscf", TLS_PEERS, "udp_" + way), 2, 3))
    for system, most, how in (("tscf", 4, ""), ("tscf-priority", 2, ", priority = yes")):
        found.append(target("ping under 1 stream p99" + how,
                            [us / 1000 for us in results.values(system, "stream_p99_us")],
                            most, most, True, 1, "ms"))
    found.append(target("start of tse to first answer", results.values("tscf", "connect_ms"),
                        40, 15, True, 1, "ms"))
    return found


def number(value, digits):
    return f"{value:,.{digits}f}"


def figure_table(results):
    rows = [["figure", "unit"] + results.systems]
    for key, name, unit, digits in FIGURES:
        row = [name, unit]
        for system in results.systems:
            found = summary(results.values(system, key))
            if found is None or (system == "veth" and key.startswith(("cpu", "memory"))):
                row.append("-")
            elif len(results.rounds) > 1:
                row.append(f"{number(found['median'], digits)} ±{found['spread_percent']:.0f}%")
            else:
                row.append(number(found["median"], digits))
        rows.append(row)
    return rows


def ratio_table(results):
    names = {key: name + (f", {unit}" if key.startswith("cpu") else "")
             for key, name, unit, _ in FIGURES}
    rows = [["ratio"] + [names[key] for key in RATIOS]]
    for system in results.systems:
        for peer in PEERS:
            if not system.startswith("tscf") or peer not in results.systems:
                continue
            row = [f"{system} / {peer}"]
            for key in RATIOS:
                found = results.ratios(system, [peer], key)
                if key.startswith("cpu") and peer == "veth":
                    found = []
                row.append(number(statistics.median(found), 2) if found else "-")
            rows.append(row)
    return rows if len(rows) > 1 else []


def as_text(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


def as_markdown(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    return "\n".join(lines)


def target_rows(found):
    rows = [["target", "got", "wanted", "aim", "verdict"]]
    for row in found:
        sign = "at most" if row["lower_is_better"] else "at least"
        unit = " " + row["unit"] if row["unit"] else ""
        rows.append([row["target"], f"{row['got']:g}{unit}" if "got" in row else "-",
                     f"{sign} {row['least']:g}{unit}", f"{row['aim']:g}{unit}", row["verdict"]])
    return rows


NOTES = """UDP is the highest rate at under 0.5 % loss, of IP packets of 200 octets in 8 flows.  CPU of
the daemons is user and system time of all processes of both ends: while one TCP stream
runs, up and then down, and while small packets do.  CPU of the machine has iperf3, kernel
threads and whatever else ran in it.  Memory is the proportional set size of a side's
processes, after the load.  wireguard's start includes `wg` and `ip`, by which it is
configured."""
ELSEWHERE = ("Handshakes per second, memory per tunnel and reconnections are measured by "
             "tests/bench/many.sh.")


def heading(machine, results):
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rounds = len(results.rounds)
    return [f"{machine['date']}, commit {machine['commit']}, "
            f"{rounds} round{'s' if rounds > 1 else ''}" + (" (--quick)" if machine["quick"] else ""),
            f"{machine['machine']['cpu']}, {machine['machine']['cores']} cores, "
            f"Linux {machine['machine']['kernel']}, TCP {machine['machine']['congestion']}, load before the run "
            f"{machine['machine']['load_before']:g}",
            versions]


def text_report(machine, results, found):
    parts = ["\n".join(heading(machine, results)), as_text(figure_table(results))]
    if ratio_table(results):
        parts.append(as_text(ratio_table(results)))
    parts += [as_text(target_rows(found)), NOTES, ELSEWHERE]
    return "\n\n".join(parts)


def markdown_report(machine, results, found):
    first, *rest = heading(machine, results)
    parts = ["## " + first, "  \n".join(rest), as_markdown(figure_table(results))]
    if ratio_table(results):
        parts.append(as_markdown(ratio_table(results)))
    parts += [as_markdown(target_rows(found)), NOTES + "  " + ELSEWHERE]
    return "\n\n".join(parts) + "\n"


def put_on_top(path, section):
    """The newest section first, under the title of the file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        text = "# Results of scripts/bench\n\nCompare figures of one table only: machines and days differ.\n"
    at = text.find("\n## ")
    before, after = (text, "") if at < 0 else (text[:at + 1], text[at + 1:])
    with open(path, "w", encoding="utf-8") as file:
        file.write(before.rstrip("\n") + "\n\n" + section + ("\n" + after if after else ""))


def as_json(machine, results, found):
    return dict(machine, rounds=len(results.rounds), systems={
        system: {key: summary(results.values(system, key)) for key, _, _, _ in FIGURES
                 if results.values(system, key)} for system in results.systems},
        ratios={f"{system}/{peer}": {key: summary(results.ratios(system, [peer], key))
                                     for key in RATIOS if results.ratios(system, [peer], key)}
                for system in results.systems if system.startswith("tscf")
                for peer in PEERS if peer in results.systems},
        targets=found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("machine")
    parser.add_argument("results")
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    arguments = parser.parse_args()
    with open(arguments.machine, encoding="utf-8") as file:
        machine = json.load(file)
    with open(arguments.results, encoding="utf-8") as file:
        results = Results(file)
    if not results.systems:
        sys.exit("report: nothing was measured")
    found = targets(results)
    print(text_report(machine, results, found))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(as_json(machine, results, found), file, indent=1)
            file.write("\n")
    if arguments.markdown:
        put_on_top(arguments.markdown, markdown_report(machine, results, found))


main()
