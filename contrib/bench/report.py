# SPDX-License-Identifier: MIT
"""Tables, budgets and the plot of a run."""

COLUMNS = [("rate", "requests/s", "{:,.0f}"), ("cpu_us", "CPU µs", "{:.1f}"),
           ("p50", "p50 ms", "{:.2f}"), ("p99", "p99 ms", "{:.2f}"),
           ("p99_other", "other's p99", "{:.2f}"),
           ("slow_rate", "slow/s", "{:,.0f}"), ("slow_p99", "slow p99 ms", "{:.0f}"),
           ("rss", "MiB", "{:.0f}"),
           ("rss_grown", "MiB more", "{:.1f}"), ("open", "open", "{:.0f}"), ("bytes", "bytes each", "{:,.0f}"),
           ("errors", "errors", "{:.0f}")]


def print_table(title, table):
    columns = [c for c in COLUMNS if any(row.get(c[0]) is not None for row in table.values())]
    if all(not row.get("errors") for row in table.values()):
        columns = [c for c in columns if c[0] != "errors"]
    print(f"\n  {title}")
    print("    " + f"{'':18}" + "".join(f"{head:>13}" for _, head, _ in columns))
    for name, row in table.items():
        cells = []
        for key, _, form in columns:
            value = row.get(key)
            if value is None:
                cells.append("–")
            else:
                cells.append(form.format(value / 1048576 if key.startswith("rss") else value))
        print("    " + f"{name:18}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


class Numbers:
    """The results by title, server and number; None where something was not measured."""

    def __init__(self, results):
        self.results = results

    def __call__(self, title, server, key):
        return self.results.get(title, {}).get(server, {}).get(key)


def ratio(a, b):
    return a / b if a is not None and b else None


def budgets(results):
    """Every budget of the architecture: what was measured, the bound, pass or fail."""
    n = Numbers(results)
    small, waits = "1 KiB, 64 connections", "waits 10 ms, 64 workers, 256 connections"
    sleeps, burns = "fast beside one that sleeps 50 ms", "fast beside one that burns 5 ms"
    django = "Django: cached page beside a slow report"

    def cpu(title, name, floor):
        return ratio(n(title, name, "cpu_us"), n(title, floor, "cpu_us"))

    def rate(title, name, ours="gustnado"):
        return ratio(n(title, ours, "rate"), n(title, name, "rate"))

    def ceiling(title, name):
        """What the floor would reach in place of our server, by its rate or by its CPU."""
        found = rate(title, name, "floor"), ratio(n(title, name, "cpu_us"), n(title, "floor", "cpu_us"))
        return None if None in found else max(found)

    def apart(what):
        return ratio(n(f"{what} p99, workers blocked", "gustnado native", "p99"),
                     n(f"{what} p99, workers idle", "gustnado native", "p99"))

    rows = [
        ("native, 1 KiB: CPU against the floor", cpu(small, "gustnado native", "floor"), "<=", 1.15),
        ("native, 1 KiB: requests/s against nginx", rate(small, "nginx", "gustnado native"),
         ">=", 1.0, ceiling(small, "nginx")),
        ("WSGI, 1 KiB: CPU against the floor", cpu(small, "gustnado", "floor"), "<=", 1.30),
        ("WSGI, 1 KiB: requests/s against FastWSGI", rate(small, "fastwsgi"), ">=", 1.25,
         ceiling(small, "fastwsgi")),
        ("WSGI, 1 KiB: requests/s against granian", rate(small, "granian"), ">=", 1.25,
         ceiling(small, "granian")),
        ("WSGI, 1 KiB: requests/s against gunicorn", rate(small, "gunicorn"), ">=", 15.0,
         ceiling(small, "gunicorn")),
        ("waits 10 ms: share of the ideal 6 400/s", ratio(n(waits, "gustnado", "rate"), 6400),
         ">=", 0.95),
        ("native p99, workers blocked against idle", apart("native"), "<=", 2.0),
        ("WebSocket p99, workers blocked against idle", apart("WebSocket"), "<=", 2.0),
        ("fast beside sleeping: p50 ms", n(sleeps, "gustnado", "p50"), "<=", 0.3),
        ("fast beside sleeping: p99 ms", n(sleeps, "gustnado", "p99"), "<=", 3.0),
        ("fast beside burning: p50 ms", n(burns, "gustnado", "p50"), "<=", 1.0),
        ("fast beside burning: p99 ms", n(burns, "gustnado", "p99"), "<=", 4.0),
        ("fast beside burning: slow view's rate against gunicorn",
         ratio(n(burns, "gustnado", "slow_rate"), n(burns, "gunicorn", "slow_rate")), ">=", 0.9),
        ("Django page beside a report: p99 against gunicorn",
         ratio(n(django, "gustnado", "p99"), n(django, "gunicorn", "p99")), "<=", 0.2),
        ("1000 trickling clients: p99 against none",
         ratio(n("1 KiB, 8 connections, 1000 trickling", "gustnado", "p99"),
               n("1 KiB, 8 connections, alone", "gustnado", "p99")), "<=", 1.5),
        ("idle keep-alive connection: bytes", n("idle keep-alive", "gustnado native", "bytes"),
         "<=", 1024),
        ("idle WebSocket: bytes", n("idle WebSocket", "gustnado native", "bytes"), "<=", 1024),
        ("idle keep-alive connection over TLS: bytes",
         n("idle keep-alive over TLS", "gustnado tls", "bytes"), "<=", 17408),
        ("idle WebSocket over TLS: bytes", n("idle WebSocket over TLS", "gustnado tls", "bytes"),
         "<=", 17408),
    ]
    out = []
    for what, value, sense, bound, *most in rows:
        met = None if value is None else (value <= bound if sense == "<=" else value >= bound)
        out.append({"what": what, "measured": value, "sense": sense, "bound": bound, "met": met,
                    "ceiling": most[0] if most else None})
    return out


def print_budgets(rows):
    shown = [row for row in rows if row["measured"] is not None]
    if not shown:
        return
    print("\nBudgets")
    for row in shown:
        verdict = "pass" if row["met"] else "FAIL"
        sense = {"<=": "≤", ">=": "≥"}[row["sense"]]
        ceiling = "" if row["met"] or row["ceiling"] is None else \
            f"   (the floor itself: {row['ceiling']:.2f})"
        print(f"  {verdict}  {row['what']:56} {row['measured']:10,.2f}   {sense} {row['bound']:g}"
              f"{ceiling}")
    missing = len(rows) - len(shown)
    if missing:
        print(f"  ({missing} budgets were not measured in this run)")


COLOURS = {"gustnado": "#2f7f79", "gustnado native": "#b9792a", "floor": "#9aa3a8",
           "floor 10k": "#9aa3a8", "floor 100k": "#9aa3a8", "nginx": "#9aa3a8"}


def plot(results, path):
    """Bars of requests/s and CPU for each measurement that has them."""
    titles = [t for t, table in results.items()
              if any(row.get("rate") for row in table.values()) and len(table) > 1]
    if not titles:
        return False
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    figure, axes = pyplot.subplots(len(titles), 2, squeeze=False,
                                   figsize=(12, 0.9 + 2.9 * len(titles)))
    for row, title in zip(axes, titles):
        fast = " beside " in title
        second = ("p99", "p99 of the fast view, ms") if fast else \
            ("cpu_us", "CPU µs per request")
        for axis, (key, label) in zip(row, (("rate", "requests/s"), second)):
            bars = [(name, numbers[key]) for name, numbers in results[title].items()
                    if numbers.get(key)]
            bars.sort(key=lambda bar: bar[1], reverse=key != "rate")
            axis.barh([b[0] for b in bars], [b[1] for b in bars],
                      color=[COLOURS.get(b[0], "#c9bfa8") for b in bars])
            for at, (_, value) in enumerate(bars):
                text = f" {value:,.0f}" if value >= 10 else f" {value:.2g}"
                axis.text(value, at, text, va="center", fontsize=8)
            axis.margins(x=0.18)
            axis.set_title(f"{title}: {label}", fontsize=10, loc="left")
            axis.tick_params(labelsize=8)
            axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    return True
