#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Draws what `make soak` has measured: resident memory, open files and threads by the number of frames.

    build-aux/plot_soak.py build/soak.csv OUT.png

It needs matplotlib, which build/training-venv has.
"""

import argparse
import csv
from pathlib import Path

from matplotlib.figure import Figure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path)
    parser.add_argument("plot", type=Path)
    arguments = parser.parse_args()
    with arguments.measured.open(encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = [[float(value) for value in column] for column in zip(*rows, strict=True)]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots(len(names) - 1, sharex=True)
    for axis, name, values in zip(axes, names[1:], columns[1:], strict=True):
        axis.plot(columns[0], values, linewidth=0.8)
        axis.set_ylim(bottom=0)
        axis.set_ylabel(name)
    axes[-1].set_xlabel(names[0])
    figure.savefig(arguments.plot)


if __name__ == "__main__":
    main()
