"""Runs in the environment of BM3D: each line of standard input is ``IN.npy SIGMA OUT.npy``, the answer is seconds."""

import sys
import time

import bm3d
import numpy as np

print("ready", flush=True)
for line in sys.stdin:
    source, sigma, target = line.rstrip("\n").split("\t")
    image = np.load(source).astype(np.float64)
    start = time.perf_counter()
    result = bm3d.bm3d(image, float(sigma))
    seconds = time.perf_counter() - start
    np.save(target, result.astype(np.float32))
    print(seconds, flush=True)
