#!/usr/bin/env python3
"""Looking at 5,000 small photos with a full decode: rosterd against Pillow, in one run, the best of three each, interleaved.

    cargo build --release --example examine_photos
    python3 -m venv /tmp/pillow && /tmp/pillow/bin/pip install pillow
    /tmp/pillow/bin/python benches/readers/photos.py

The photos are invented patterns of 100 x 128 pixels: 70 % JPEG, 20 % PNG, 10 % BMP. Pillow opens and loads each, which decodes it and does nothing else;
rosterd decodes each too, and looks for what is wrong with it.
"""
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time

from PIL import Image

PHOTOS = 5000
EXAMINER = "target/release/examples/examine_photos"


def picture(rng):
    """Something with soft and hard edges and a little noise, as a face before a wall has."""
    a, b, c = (rng.uniform(6, 30) for _ in range(3))
    rows = bytearray()
    for y in range(128):
        for x in range(100):
            inside = (x - 50) ** 2 / 900 + (y - 60) ** 2 / 1600 < 1
            light = 150 if inside else 90
            rows += bytes(
                max(0, min(255, int(light + 50 * math.sin(x / k + y / c) + rng.randrange(-6, 7)))) for k in (a, b, c)
            )
    return Image.frombytes("RGB", (100, 128), bytes(rows))


def generate(folder):
    rng = random.Random(7)
    pictures = [picture(rng) for _ in range(50)]
    for number in range(PHOTOS):
        kind = ["jpg"] * 7 + ["png"] * 2 + ["bmp"]
        extension = kind[number % 10]
        name = os.path.join(folder, f"{number:05}.{extension}")
        turned = pictures[number // 10 % 50].rotate(number // 500 * 3)
        options = {"quality": 85} if extension == "jpg" else {}
        turned.save(name, dpi=(72, 72), **options)


def pillow(folder):
    start, cpu = time.perf_counter(), time.process_time()
    for name in sorted(os.listdir(folder)):
        with Image.open(os.path.join(folder, name)) as image:
            image.load()
    return time.perf_counter() - start, time.process_time() - cpu


def rosterd(folder, how):
    before = os.times()
    start = time.perf_counter()
    run = subprocess.run([EXAMINER, folder, how], check=True, capture_output=True, text=True)
    after = os.times()
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["photos"] == PHOTOS and told["refused"] == 0, told
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu


def main():
    with tempfile.TemporaryDirectory() as folder:
        generate(folder)
        best = {}
        for _ in range(3):
            for name, run in [
                ("Pillow", lambda: pillow(folder)),
                ("rosterd", lambda: rosterd(folder, "")),
            ]:
                wall, cpu = run()
                least = best.get(name, (math.inf, math.inf))
                best[name] = (min(wall, least[0]), min(cpu, least[1]))
    for name, (wall, cpu) in best.items():
        print(f"{name:8} {PHOTOS} photos: {wall:.3f} s by the clock, {cpu:.3f} s CPU, {PHOTOS / wall:.0f} photos/s")
    ratio = best["Pillow"][1] / best["rosterd"][1]
    print(f"rosterd is {ratio:.2f} times as fast as Pillow, by CPU")
    return 0 if ratio >= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
