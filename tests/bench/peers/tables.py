# SPDX-License-Identifier: Apache-2.0
"""The results as Markdown: everybody's figures, and ours against each peer's at equal randomness."""
OURS = "shufflefs-"


def order(order):
    return order if isinstance(order, str) else f"block {order[0]} of {order[1]}"


def columns(result):
    """(condition, batch size, title) of every column of speeds."""
    cold = str(result["cold_batch_size"])
    return [("warm", str(size), f"warm, {size}") for size in result["batch_sizes"]] + [
        ("cold", cold, f"cold, {cold}"), ("limited", cold, f"{result['limit'] / 1e6:,.0f} MB, {cold}")]


def speed(setting, condition, size):
    return setting[condition].get(size, {}).get("samples_per_second")


def speed_cell(setting, condition, size):
    case = setting[condition].get(size)
    if case is None:
        return ""
    return f"{case['samples_per_second']:,.0f}" if "failed" not in case else case["failed"].partition(":")[0][:24]


def megabytes(count):
    return f"{count / 1e6:,.0f}"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    yield row(cells)
    yield "|" + "---|" * len(cells)


def reading_memory(setting):
    """Peaks over all cases without a limit (with one, the kernel decides): own memory, and the store's page cache."""
    done = [case for condition in ("warm", "cold") for case in setting[condition].values() if "memory" in case]
    if not done:
        return ["", ""]
    return [megabytes(max(case["memory"]["anonymous"] for case in done)),
            megabytes(max(case["page_cache"] for case in done))]


def speeds(result):
    shown = columns(result)
    yield from head(["contestant", "setting", "order", *(title for *_, title in shown), "memory, MB", "page cache, MB"])
    for contestant in result["contestants"]:
        if "failed" in contestant:
            yield row([contestant["title"], "failed", *[""] * (len(shown) + 3)])
        for setting in contestant["settings"]:
            figures = [speed_cell(setting, condition, size) for condition, size, _ in shown]
            yield row([contestant["title"], setting["name"], order(setting["order"]), *figures,
                       *reading_memory(setting)])


def conversions(result):
    yield from head(["contestant", "on disk, MB", "conversion, s", "conversion, MB of memory"])
    for contestant in result["contestants"]:
        conversion = contestant.get("conversion")
        if conversion:
            converted = "seconds" in conversion
            yield row([contestant["title"], megabytes(conversion["bytes"]),
                       f"{conversion['seconds']:.1f}" if converted else "none",
                       megabytes(conversion["memory"]["anonymous"]) if converted else "none"])


def our_best(ours, wanted, condition, size):
    """The speed of our fastest setting of this order that feeds a single consumer, as all peers' do."""
    found = [speed(setting, condition, size) for setting in ours["settings"]
             if setting["order"] == wanted and setting["readers"] == 1]
    return max((each for each in found if each), default=None)


def ratio(ours, theirs):
    if not ours or not theirs:
        return ""
    times = ours / theirs
    if times < 1:
        return f"**{times:.2f} (slower)**"
    return f"{times:.1f}" if times < 100 else f"{times:,.0f}"


def ratios(result):
    shown = columns(result)
    yield from head(["ours", "against", "order", *(title for _, _, title in shown)])
    for ours in result["contestants"]:
        for peer in result["contestants"]:
            if not ours["settings"] or not ours["name"].startswith(OURS) or peer["name"].startswith(OURS):
                continue
            for setting in peer["settings"]:
                yield row([ours["title"], f"{peer['title']}, {setting['name']}", order(setting["order"]),
                           *(ratio(our_best(ours, setting["order"], condition, size), speed(setting, condition, size))
                             for condition, size, _ in shown)])


def failures(result):
    for contestant in result["contestants"]:
        if "failed" in contestant:
            yield f"- {contestant['title']}: {contestant['failed']}"
        for setting in contestant["settings"]:
            for condition, size, title in columns(result):
                reason = setting[condition].get(size, {}).get("failed")
                if reason:
                    yield f"- {contestant['title']}, {setting['name']}, {order(setting['order'])}, {title}: {reason}"


def tables(result):
    data = result["data"]
    yield (f"{data['rows']:,} rows of {data['vars']:,} variables, {data['nnz'] / data['rows']:.0f} non-zeros each, "
           f"{megabytes(data['bytes'])} MB as .h5ad; {result['machine']}; {result['seconds']:g} s a case")
    yield ""
    for contestant in result["contestants"]:
        listed = ", ".join(f"{name} {version}" for name, version in contestant.get("versions", {}).items())
        yield f"- {contestant['title']}: {listed}"
    for title, part in (("Samples a second", speeds), ("Converting", conversions),
                        ("Our speed over theirs, at the same order", ratios), ("Failed", failures)):
        lines = list(part(result))
        if lines:
            yield from ("", f"### {title}", "", *lines)
