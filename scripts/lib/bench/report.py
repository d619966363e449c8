"""Turns measurements into a table or JSON."""

import statistics


def summary(values):
    """Returns the median, and the largest deviation from it in percent."""
    middle = statistics.median(values)
    spread = max(abs(value - middle) for value in values) / middle if middle else 0.0
    bounds = {"min": min(values), "max": max(values)}
    return {"median": middle, "spread": round(100 * spread, 1), **bounds, "values": values}


def summaries(values, ours):
    """Returns all metrics of one row by server, and for each other server the ratio of ours to its."""
    result = {name: {metric: summary(them) for metric, them in metrics.items()} for name, metrics in values.items()}
    for name, metrics in result.items():
        for metric, other in metrics.items():
            if name != ours and metric in result.get(ours, {}):
                other["ratio"] = ratio(result[ours][metric], other)
    return result


def ratio(mine, other):
    """Returns the ratio of the medians, and the lowest and highest ratio of consecutive runs."""
    pairs = [one / max(two, 1e-9) for one, two in zip(mine["values"], other["values"])]
    return {"median": mine["median"] / max(other["median"], 1e-9), "min": min(pairs), "max": max(pairs)}


def judge(row, results, ours):
    """Returns one dict for each claim: value, bounds, and whether they hold, or None without a server to compare
    with."""
    judged = []
    for claim in row.claims:
        mine = results.get(ours, {}).get(claim.metric)
        other = results.get(claim.beside, {}).get(claim.metric) if claim.beside else None
        # A smoke test may use less CPU time than a clock tick.
        if not mine or (claim.beside and not (other and other["median"])):
            continue
        bounds = ratio(mine, other) if claim.beside else mine
        value = bounds["median"]
        holds = (lambda bound: value <= bound) if claim.less else (lambda bound: value >= bound)
        judged.append(
            {
                "claim": claim.text,
                "ours": mine["median"],
                "theirs": other["median"] if other else None,
                "beside": claim.beside,
                "value": round(value, 3),
                "min": round(bounds["min"], 3),
                "max": round(bounds["max"], 3),
                "spread": max(mine["spread"], other["spread"] if other else 0.0),
                "must": claim.must,
                "aim": claim.aim,
                "must_holds": holds(claim.must),
                "aim_holds": holds(claim.aim),
            }
        )
    return judged


def number(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def print_claims(judged):
    """Prints the table in Markdown, as in docs/performance.md."""
    print("| what | ours | beside | theirs | value | lowest to highest | must | aim | |")
    print("|---|---|---|---|---|---|---|---|---|")
    for one in judged:
        verdict = "aim" if one["aim_holds"] else "must" if one["must_holds"] else "MISSED"
        unit = " x" if one["beside"] else ""
        print(
            f"| {one['claim']} | {number(one['ours'])} | {one['beside'] or ''} | {number(one['theirs'])} "
            f"| {number(one['value'])}{unit} | {number(one['min'])} to {number(one['max'])} | {one['must']:g} | {one['aim']:g} | {verdict} |"
        )


def print_all(measured):
    """Prints the numbers of each server in each row."""
    print("\n| row | metric | " + " | ".join(names := sorted({n for r in measured.values() for n in r})) + " |")
    print("|---|---|" + "---|" * len(names))
    for row, results in measured.items():
        for metric in sorted({m for result in results.values() for m in result}):
            cells = [results.get(name, {}).get(metric) for name in names]
            shown = [f"{number(cell['median'])} ±{cell['spread']:.0f} %" if cell else "" for cell in cells]
            print(f"| {row} | {metric.replace('_', ' ')} | " + " | ".join(shown) + " |")
