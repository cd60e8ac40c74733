#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio that can be recognised, and how much of it has come through.

    speech.py make FILE SECONDS          8 kHz mono: bursts of tones of changing pitch
    speech.py compare SENT RECEIVED      prints JSON: share of it that was heard

A frame of 20 ms was heard if it is in the recording, at the time where the whole
of it fits best: its correlation with what was sent is at least 0.8.
"""
import array
import json
import math
import random
import sys
import wave

RATE, FRAME = 8000, 160


def make(path, seconds):
    chance, samples, phase = random.Random(1), array.array("h"), 0.0
    for _ in range(int(seconds * 50)):
        pitch = chance.uniform(300, 3000)
        for _ in range(FRAME):
            phase += 2 * math.pi * pitch / RATE
            samples.append(int(8000 * math.sin(phase)))
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


def read(path):
    with wave.open(path, "rb") as source:
        if source.getframerate() != RATE or source.getsampwidth() != 2:
            sys.exit("%s: not 8 kHz, 16 bit" % path)
        samples = array.array("h")
        samples.frombytes(source.readframes(source.getnframes()))
        return samples[::source.getnchannels()]


def likeness(a, b):
    product = sum(x * y for x, y in zip(a, b))
    power = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return product / power if power else 0.0


def find(frame, samples, begin, end):
    """The place of the best fit, and how good it is."""
    best, place = 0.0, -1
    for at in range(max(0, begin), min(end, len(samples) - FRAME)):
        fit = likeness(frame, samples[at:at + FRAME])
        if fit > best:
            best, place = fit, at
    return best, place


def compare(sent, received):
    heard = 0
    count = min(len(sent), len(received)) // FRAME - 100
    anchor, offset = 0.0, 0
    for start in range(40 * FRAME, 48 * FRAME, FRAME):
        fit, at = find(sent[start:start + FRAME], received, 0, start + RATE)
        if fit > anchor:
            anchor, offset = fit, at - start
    for frame in range(50, 50 + max(count, 1)):
        at = frame * FRAME
        fit, place = find(sent[at:at + FRAME], received, at + offset - 2, at + offset + 3)
        if fit < 0.8:  # the play-out moved
            fit, place = find(sent[at:at + FRAME], received, at + offset - 400, at + offset + 400)
        if fit >= 0.8:
            heard += 1
            offset = place - at
    print(json.dumps({"frames": count, "heard": heard, "share": heard / count if count > 0 else 0}))


if sys.argv[1:2] == ["make"] and len(sys.argv) == 4:
    make(sys.argv[2], float(sys.argv[3]))
elif sys.argv[1:2] == ["compare"] and len(sys.argv) == 4:
    compare(read(sys.argv[2]), read(sys.argv[3]))
else:
    sys.exit(__doc__)
