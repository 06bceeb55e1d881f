"""What the numbers say, in plain sentences: a verdict a comparison, the answer of the whole report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hrf_ser.evaluation.statistics import LEVEL, units_needed

PAPER = "protocol test_oracle: epochs were chosen on the test part, so these are no estimates for unseen speakers"


def signed(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.3f}"


def bounds(entry: dict[str, Any]) -> str:
    """``[-0.010, +0.031]``, or nothing where one unit gives no interval."""
    return "" if entry["low"] is None else f"[{signed(entry['low'])}, {signed(entry['high'])}]"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def decidable(entry: dict[str, Any]) -> bool:
    """Whether the design could have given a p value of at most 0.05 after Holm's correction."""
    return bool(entry["smallest_p"] * entry["tests"] <= LEVEL)


def verdict(entry: dict[str, Any]) -> str:
    """What one comparison shows.

    Args:
        entry: the comparison, with ``p_holm`` and ``tests``, how many it was corrected for.
    """
    size = " ".join(filter(None, [f"{signed(entry['difference'])} {entry['metric'].upper()}", bounds(entry)]))
    of_split = " This speaks of one split and its speakers only." if entry["unit"] == "seed" else ""
    paper = f" {_capital(PAPER)}." if entry["protocol"] == "test_oracle" else ""
    if entry["p_holm"] <= LEVEL:
        across = entry["low"] is not None and entry["low"] <= 0 <= entry["high"]
        but = f" The interval over {entry['interval_over']} includes 0, so do not rely on it." if across else ""
        said = f"{_which(entry)}: {size}, {_judged(entry)}.{but}"
    elif not decidable(entry):
        said = f"Cannot be decided by this design: {size}; {_too_small(entry)}."
    else:
        strength = entry["power"]
        chance = (
            f" A true difference of {strength['difference']:.2f} would have been found with probability "
            f"{strength['power']:.2f}{', before the correction' if entry['tests'] > 1 else ''}."
            if strength
            else ""
        )
        said = f"No difference shown: {size}, {_judged(entry)}.{chance}"
    return said + of_split + paper


def _which(entry: dict[str, Any]) -> str:
    """``HRF is better than plain``."""
    better = entry["difference"] > 0
    if entry["kind"] == "setting":
        return f"This setting is {'better' if better else 'worse'} than the usual one"
    one, other = ("light", "large") if entry["kind"] == "size" else ("HRF", "plain")
    return f"{_capital(one if better else other)} is better than {other if better else one}"


def answer(configurations: Sequence[dict[str, Any]], comparisons: Sequence[dict[str, Any]]) -> str:
    """Whether light with HRF is better than light, how far light is from large, and whether one can believe it.

    Each protocol has its own answer: they train on different speakers, and a mean over them would be of nothing.
    """
    found = {
        protocol: _answer(
            [entry for entry in configurations if entry["protocol"] == protocol],
            [entry for entry in comparisons if entry["protocol"] == protocol],
        )
        for protocol in sorted({entry["protocol"] for entry in configurations})
    }
    if len(found) == 1:
        return next(iter(found.values()))
    return " ".join(f"Protocol {protocol}: {said}" for protocol, said in found.items())


def _answer(configurations: Sequence[dict[str, Any]], comparisons: Sequence[dict[str, Any]]) -> str:
    pooled = [entry for entry in comparisons if entry["kind"] == "pooled"]
    hrf = [entry for entry in comparisons if entry["kind"] == "hrf" and not entry["model"].endswith("_large")]
    size = [entry for entry in comparisons if entry["kind"] == "size"]
    settings = [entry for entry in comparisons if entry["kind"] == "setting"]
    sentences = [_together(one, hrf) for one in pooled]
    told = {one["corpus"] for one in pooled}
    if rest := [entry for entry in hrf if entry["corpus"] not in told]:
        sentences.append(_about_hrf(rest))
    elif not pooled and (size or not settings):
        sentences.append(_no_pairs(configurations))
    if size:
        sentences.append(_about_size(size))
    elif hrf:
        sentences.append("How far light is from large cannot be said: no large model ran under the same settings.")
    if hrf or size:
        sentences.append(_belief(pooled, [*hrf, *size]))
    elif settings:
        sentences.append(_about_settings(settings))
    return " ".join(sentences)


def _together(pooled: dict[str, Any], hrf: Sequence[dict[str, Any]]) -> str:
    """The answer of all light models of a corpus together, and how they lie by themselves."""
    entries = [entry for entry in hrf if entry["corpus"] == pooled["corpus"]]
    where = f" on {pooled['corpus']}" if len(entries) < len(hrf) else ""
    over = f"over {len(entries)} comparisons{where} together"
    if pooled["p_holm"] <= LEVEL:
        head = f"Light with HRF is {'better' if pooled['difference'] > 0 else 'worse'} than light {over}"
    elif decidable(pooled):
        head = f"No difference is shown between light with HRF and light {over}"
    else:
        head = f"These runs cannot decide whether light with HRF is better than light {over}"
    size = " ".join(filter(None, [f"{signed(pooled['difference'])} UA", bounds(pooled)]))
    clear = [word for word, sign in (("better", 1), ("worse", -1)) for entry in entries if _clear(entry, sign)]
    alone = " and ".join(f"{clear.count(word)} {word}" for word in dict.fromkeys(clear)) or "none is clear"
    return f"{head}: {size}, {_judged(pooled)}. By themselves they lie from {_range(entries)}; {alone} after Holm's correction."


def _clear(entry: dict[str, Any], sign: int) -> bool:
    return bool(entry["p_holm"] <= LEVEL and entry["difference"] * sign > 0)


def _judged(entry: dict[str, Any]) -> str:
    corrected = " after Holm's correction" if entry["tests"] > 1 else ""
    return f"{p_value(entry['p_holm'])}{corrected}"


def _about_hrf(entries: Sequence[dict[str, Any]]) -> str:
    better = [entry for entry in entries if _clear(entry, 1)]
    worse = [entry for entry in entries if _clear(entry, -1)]
    mean = sum(entry["difference"] for entry in entries) / len(entries)
    total = len(entries)
    if not any(decidable(entry) for entry in entries):
        seen = f"{abs(mean):.3f} UA {'above' if mean > 0 else 'below'} light"
        over = f"{entries[0]['label'].partition(':')[0]} on {entries[0]['corpus']}"
        where = f"for {over}" if total == 1 else f"over {total} comparisons, from {_range(entries)}"
        return f"These runs cannot decide whether light with HRF is better than light: it is {seen} {where}."
    if total == 1:
        entry = entries[0]
        size = f"{signed(mean)} UA {bounds(entry)}".strip()
        where = f"{entry['label'].partition(':')[0]} on {entry['corpus']}"
        if better or worse:
            return f"Light with HRF is {'better' if better else 'worse'} than light for {where}: {size}."
        return f"No difference is shown between light with HRF and light for {where}: {size}."
    if better and not worse:
        head = f"Light with HRF is better than light in {len(better)} of {total} comparisons"
    elif worse and not better:
        head = f"Light with HRF is worse than light in {len(worse)} of {total} comparisons and better in none"
    elif better:
        head = f"Light with HRF is better than light in {len(better)} and worse in {len(worse)} of {total} comparisons"
    else:
        head = f"Light with HRF is shown to be neither better nor worse than light in any of {total} comparisons"
    return f"{head}; the mean difference is {signed(mean)} UA, from {_range(entries)}."


def _about_size(entries: Sequence[dict[str, Any]]) -> str:
    plain = [entry for entry in entries if entry["rank"] is None]
    factorised = [entry for entry in entries if entry["rank"] is not None]
    parts = []
    for name, members in (("Light", plain), ("light with HRF", factorised)):
        if members:
            mean = sum(entry["difference"] for entry in members) / len(members)
            where = f" (from {_range(members)})" if len(members) > 1 else ""
            parts.append(f"{name} is {abs(mean):.3f} UA {'below' if mean < 0 else 'above'} large{where}")
    return f"{_capital(', '.join(parts))}."


def _about_settings(entries: Sequence[dict[str, Any]]) -> str:
    if len(entries) == 1:
        return f"One setting was changed, {entries[0]['label']}. {entries[0]['verdict']}"
    clear = [
        f"{count} {word}"
        for word, sign in (("better", 1), ("worse", -1))
        if (count := sum(_clear(e, sign) for e in entries))
    ]
    best, worst = (choose(entries, key=lambda entry: entry["difference"]) for choose in (max, min))
    shown = (
        f"{' and '.join(clear)} than the usual ones"
        if clear
        else "none is shown to be better or worse than the usual ones"
    )
    size = "; ".join(f"{entry['label']}: {signed(entry['difference'])} UA" for entry in (best, worst))
    said = f"Of {len(entries)} other settings {shown}, after Holm's correction. The best and the worst: {size}."
    if entries[0]["protocol"] == "test_oracle":
        return f"{said} Do not believe it yet: {PAPER}."
    if not any(map(decidable, entries)):
        return f"{said} Do not rely on these differences: {_too_small(entries[0])}."
    return said


def _belief(pooled: Sequence[dict[str, Any]], entries: Sequence[dict[str, Any]]) -> str:
    small = [entry for entry in entries if not decidable(entry)]
    if entries[0]["protocol"] == "test_oracle":
        return f"Do not believe it yet: {PAPER}."
    if len(small) == len(entries):
        why = _too_small(max(small, key=lambda entry: entry["units"]))
        if any(decidable(entry) for entry in pooled):
            return f"The question put to all together is one test over folds; do not rely on single differences: {why}."
        return f"Do not rely on these differences: {why}."
    corrected = f"tested over folds and corrected for {many(entries[0]['tests'], 'comparison')}"
    if small:
        return f"It is {corrected}; {len(small)} of {len(entries)} comparisons have too few folds or seeds to decide anything."
    if any(entry["p_holm"] <= LEVEL for entry in [*pooled, *entries]):
        return f"One can believe it as far as these corpora go: it is {corrected}."
    return f"No difference shown is not equality: see the intervals. It is {corrected}."


def _too_small(entry: dict[str, Any]) -> str:
    """``3 folds give p = 0.25 at best, and 3 comparisons need 0.017: it takes 7 folds, or fewer comparisons``."""
    comparisons = entry["tests"]
    verb = "gives" if entry["units"] == 1 else "give"
    best = f"{many(entry['units'], entry['unit'])} {verb} p = {entry['smallest_p']:.2g} at best"
    needed = f"it takes {units_needed(comparisons)} {entry['unit']}s"
    if comparisons == 1:
        return f"{best}; {needed}"
    return f"{best}, and {comparisons} comparisons need {LEVEL / comparisons:.2g}: {needed}, or fewer comparisons"


def _no_pairs(configurations: Sequence[dict[str, Any]]) -> str:
    best = max(configurations, key=lambda entry: entry["scores"]["ua"]["mean"])
    return (
        "Whether light with HRF is better than light cannot be said: no model ran with and without HRF on the same fold and "
        f"seed; the best mean UA is {best['scores']['ua']['mean']:.3f}, of {best['label']} on {best['corpus']}."
    )


def _range(entries: Sequence[dict[str, Any]]) -> str:
    values = [entry["difference"] for entry in entries]
    return f"{signed(min(values))} to {signed(max(values))}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
