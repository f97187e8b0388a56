#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Makes tables, and a drawing, of what scripts/bench-rules measured.

rulereport.py RESULTS [SVG]: prints Markdown; with SVG also draws ns a packet against rules.
"""
import math
import statistics
import sys

SYSTEMS = ["one", "culvert", "culvert, zipf", "cached, zipf", "floor, zipf", "nft", "iptables", "u32"]
OURS = SYSTEMS[:5] + ["cached"]
NAMES = {"one": "culvert, one rule", "cached": "culvert with flow cache", "nft": "nft (pipapo)",
         "cached, zipf": "with flow cache, zipf", "floor, zipf": "any flow cache, zipf", "u32": "tc u32"}
COLOURS = {"one": "#999999", "culvert": "#0b6e4f", "culvert, zipf": "#2fa37c", "cached, zipf": "#6bbf59",
           "floor, zipf": "#cccccc",
           "nft": "#c0392b", "iptables": "#2c6fbb", "u32": "#8e5aa8"}


def read(path):
    """The lines of a kind: kind -> list of words."""
    kinds = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            kind, *words = line.split()
            kinds.setdefault(kind, []).append(words)
    return kinds


def number(value, form="%.1f"):
    """Text of a figure, "-" where there is none."""
    return "-" if value is None else form % value


def pairs(words):
    """NAME VALUE NAME VALUE ... -> dict."""
    return dict(zip(words[::2], (float(word) for word in words[1::2])))


def size_name(count):
    """1000 -> 1k."""
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if count >= unit and count % unit == 0:
            return "%d%s" % (count // unit, name)
    return str(count)


def live_figures(kinds):
    """(system, count, style) -> ns."""
    figures = {}
    for style, count, trace, system, fastest, _median in kinds.get("live", []):
        name = system if trace == "uniform" else "%s, %s" % (system, trace)
        figures[name, int(count), style] = float(fastest)
    return figures


def table(head, rows):
    """Prints a Markdown table."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def live_table(figures):
    """A row for each size and style, a column for each system."""
    systems = [name for name in SYSTEMS if any(key[0] == name for key in figures)]
    rows = []
    for count, style in sorted({key[1:] for key in figures}):
        ours = figures.get(("culvert", count, style))
        row = [size_name(count), style]
        for name in systems:
            value = figures.get((name, count, style))
            text = "-" if value is None else "%.0f" % value
            if value is not None and ours and name not in OURS:
                text += " (%.1f x)" % (value / max(ours, 1))
            row.append(text)
        rows.append(row)
    print("In the live path, ns a packet net of the same hook with nothing in it; in brackets, of culvert's:\n")
    table(["rules", "set"] + [NAMES.get(name, name) for name in systems], rows)


def load_table(kinds):
    """What loading a set, and one rule more, takes, and how much of the set a system holds."""
    rows = {}
    for style, count, system, took, *note in kinds.get("load", []):
        held = note[0].replace("_", " ") if note else ""
        rows.setdefault((int(count), style), {})[system] = took + (" (%s)" % held if held else "")
    for style, count, system, took in kinds.get("one", []):
        rows[int(count), style][system] += "; " + took
    systems = [name for name in SYSTEMS + ["cached"] if any(name in row for row in rows.values())]
    print("By command, ms: all rules from a file, in place of others; and one rule more:\n")
    table(["rules", "set"] + [NAMES.get(name, name) for name in systems],
          [[size_name(count), style] + [row.get(name, "-") for name in systems]
           for (count, style), row in sorted(rows.items())])


def alone_table(kinds):
    """The search in program runs, and the engine in user space."""
    alone, engine = {}, {}
    for style, count, trace, *words in kinds.get("alone", []):
        alone[int(count), style, trace] = pairs(words)
    for style, count, *words in kinds.get("engine", []):
        engine[int(count), style] = pairs(words)
    rows = []
    for count, style, trace in sorted(alone):
        if trace != "uniform":
            continue
        ns, made = alone[count, style, trace], engine.get((count, style), {})
        rows.append([size_name(count), style, number(ns["ns"], "%.0f"),
                     number(alone.get((count, style, "zipf"), {}).get("ns"), "%.0f"),
                     number(alone.get((count, style, "zipf"), {}).get("cached"), "%.0f"),
                     number(alone.get((count, style, "few"), {}).get("cached"), "%.0f"),
                     number(ns["memory"], "%.0f"), number(made.get("build_ms")),
                     number(made.get("bytes", 0) / 1e6, "%.2f"),
                     number(made.get("steps_mean")), number(made.get("steps"), "%.0f"),
                     number(made.get("change_median_us")), number(made.get("change_p99_us")),
                     number(made.get("transaction_ms"))])
    print("The search alone (program runs, each after the one before), and the engine in user space:\n")
    table(["rules", "set", "ns", "zipf", "zipf, flow cache", "flow cache hit", "load from 4 MB, ns",
           "build, ms", "MB", "steps, mean", "bound", "a change in place, us",
           "of 100 the slowest, us", "1,000 at once, ms"], rows)


# ---- the drawing ----

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 440, 64, 150, 24, 48


def scale(value, low, high, begin, end):
    """Where value stands on a logarithmic axis."""
    share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
    return begin + share * (end - begin)


def decades(low, high):
    """Powers of ten from low to high, which are such."""
    return [10**exponent for exponent in range(round(math.log10(low)), round(math.log10(high)) + 1)]


def axes(out, place_x, place_y, sizes, levels):
    """Lines and numbers."""
    for count in sizes:
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>'
                   % (place_x(count), HEIGHT - BOTTOM + 18, size_name(count)))
    for level in levels:
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>'
                   % (LEFT, WIDTH - RIGHT, place_y(level), place_y(level)))
        out.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>'
                   % (LEFT - 8, place_y(level) + 4, "{:,}".format(level)))
    out.append('<text x="%d" y="%d" text-anchor="middle">rules</text>'
               % ((LEFT + WIDTH - RIGHT) // 2, HEIGHT - 10))
    out.append('<text x="16" y="%d" transform="rotate(-90 16 %d)" text-anchor="middle">'
               'ns a packet, live path, net of an empty hook</text>' % (HEIGHT // 2, HEIGHT // 2))


def name_lines(out, ends):
    """The name of each line at its end; those that would lie on each other move down."""
    below = 0
    for place_y, place_x, system in sorted(ends):
        place_y = max(place_y, below + 14)
        below = place_y
        out.append('<text x="%.1f" y="%.1f" fill="%s">%s</text>'
                   % (place_x + 8, place_y + 4, COLOURS[system], NAMES.get(system, system)))


def draw(figures, path):
    """A line for each system, of the median of the styles; a dot for each style."""
    sizes = sorted({key[1] for key in figures})
    values = [max(value, 1) for value in figures.values()]
    low, high = 10**math.floor(math.log10(min(values))), 10**math.ceil(math.log10(max(values) + 1))

    def place_x(count):
        return scale(count, sizes[0] * 0.8, sizes[-1] * 1.25, LEFT, WIDTH - RIGHT)

    def place_y(value):
        return scale(max(value, 1), low, high, HEIGHT - BOTTOM, TOP)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">'
           % (WIDTH, HEIGHT), '<rect width="100%" height="100%" fill="white"/>']
    axes(out, place_x, place_y, sizes, decades(low, high))
    ends = []
    for system in SYSTEMS:
        points = []
        for count in sizes:
            of_styles = [value for key, value in figures.items() if key[:2] == (system, count)]
            for value in of_styles:
                out.append('<circle cx="%.1f" cy="%.1f" r="2.5" fill="%s" opacity="0.45"/>'
                           % (place_x(count), place_y(value), COLOURS[system]))
            if of_styles:
                points.append((place_x(count), place_y(statistics.median(of_styles))))
        if not points:
            continue
        out.append('<polyline fill="none" stroke-width="2" stroke="%s" points="%s"/>'
                   % (COLOURS[system], " ".join("%.1f,%.1f" % point for point in points)))
        ends.append((points[-1][1], points[-1][0], system))
    name_lines(out, ends)
    out.append("</svg>")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(out) + "\n")


def main():
    kinds = read(sys.argv[1])
    figures = live_figures(kinds)
    if figures:
        live_table(figures)
    if kinds.get("alone"):
        alone_table(kinds)
    if kinds.get("load"):
        load_table(kinds)
    if len(sys.argv) > 2 and figures:
        draw(figures, sys.argv[2])


if __name__ == "__main__":
    main()
