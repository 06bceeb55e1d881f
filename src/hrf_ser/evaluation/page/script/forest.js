// Paired differences with their intervals. An interval that holds zero leaves the question open.

const QUESTIONS = {
  pooled: "With HRF, light models together",
  hrf: "With HRF, against the same model without",
  size: "Against the large model",
  setting: "With another setting, against the usual one",
  added: "Against other systems and pretrained encoders",
};

function forest(view) {
  const comparisons = view.comparisons;
  if (!comparisons.length) {
    return section("forest", "Paired differences", view.protocol, note("No two configurations share a fold and a seed, so nothing can be compared."));
  }
  const rows = forestRows(view);
  const numbers = plainTable("Paired differences", [
    { title: "Comparison", text: (c) => c.label },
    { title: "Pairs", text: (c) => whole(c.pairs), number: true },
    { title: "Difference", text: (c) => signed(c.difference), number: true },
    { title: "95 % interval", text: (c) => interval(c.low, c.high, signed), number: true },
    { title: "p", text: (c) => probability(c.p), number: true },
    { title: "p, Holm", text: (c) => probability(c.p_holm), number: true },
    { title: "Smallest p possible", text: (c) => probability(c.smallest_p), number: true },
    { title: "Verdict", text: (c) => c.verdict ?? "", kind: "prose" },
  ], comparisons);
  const description = comparisons.map((c) => `${c.label}: ${signed(c.difference)}, Holm p ${probability(c.p_holm)}`).join("; ");
  return section(
    "forest",
    "Paired differences",
    view.protocol,
    note("Each faint point is one pair: the same fold and the same seed in both configurations. The large mark is their mean, the bar its 95 % interval."),
    figure("forest", `Paired differences of ${splitUA({ capital: false })}`, description, (width) => forestPlot(width, rows), numbers),
    note(`A filled mark is clear: Holm-corrected p below ${LEVEL}. A hollow one is not.`),
  );
}

// A heading before each kind of comparison; every row knows its place.
function forestRows(view) {
  const rows = [];
  for (const [kind, members] of d3.group(view.comparisons, (c) => c.kind)) {
    rows.push({ heading: QUESTIONS[kind] ?? kind });
    const group = (c) => (kind === "setting" || kind === "added" ? groupOf(view.byKey.get(c.a)) : kind === "size" ? "large" : "hrf");
    rows.push(...members.map((c) => ({ c, group: group(c), clear: known(c.p_holm) && c.p_holm < LEVEL })));
  }
  return rows.map((row, index) => ({ ...row, index }));
}

function forestPlot(width, rows) {
  const narrow = width < 640;
  const shown = rows.filter((row) => row.c);
  const measured = shown.filter((row) => known(row.c.difference));
  const pairs = shown.flatMap((row) => (row.c.per_pair ?? []).filter((pair) => known(pair.difference)).map((pair) => ({ ...pair, row })));
  const reach = d3.extent([
    0.005, -0.005,
    ...measured.flatMap(({ c }) => [c.difference, c.low ?? c.difference, c.high ?? c.difference]),
    ...pairs.map((pair) => pair.difference),
  ]);
  const room = 0.04 * (reach[1] - reach[0]);
  const rowHeight = narrow ? 50 : 32;
  const longest = d3.max(shown, (row) => row.c.label.length) ?? 0;
  // On a phone the label has a line of its own above the bar.
  const letters = Math.min(longest, Math.floor(narrow ? (width - 90) / 6.4 : (Math.max(320, 0.45 * width) - 16) / 6.6));
  const left = narrow ? 8 : letters * 6.6 + 16;
  const labelOptions = narrow ? { dx: 0, dy: -12 } : { dx: 8 - left };
  const name = (row) => (narrow ? shorten : twoLines)(row.c.label, letters);
  return Plot.plot({
    width,
    height: rows.length * rowHeight + 70,
    marginLeft: left,
    marginRight: narrow ? 8 : 84,
    marginTop: 22,
    marginBottom: 48,
    style: STYLE,
    x: {
      domain: [reach[0] - room, reach[1] + room], label: `Difference of ${splitUA({ capital: false })}  (left: worse, right: better)`, ...AXIS,
      tickFormat: (v) => signed(v).replace(/0$/, ""), ticks: narrow ? 5 : 8, grid: true,
    },
    y: { domain: [rows.length - 0.5, -0.5], axis: null },
    color: { type: "identity" },
    marks: [
      Plot.ruleX([0], { stroke: "var(--ink)", strokeWidth: 1.2, className: "zero" }),
      Plot.text(rows.filter((row) => row.heading), {
        y: "index", text: "heading", frameAnchor: "left", textAnchor: "start", dx: narrow ? 0 : 8 - left, fontWeight: 600, fill: "var(--ink)",
        stroke: "var(--surface)", strokeWidth: 4,
      }),
      Plot.dot(pairs, {
        x: "difference", y: (pair) => pair.row.index, r: 3, fill: (pair) => GROUPS[pair.row.group].colour, fillOpacity: 0.32, className: "pairs",
        // Below the bar, which would hide them.
        dy: narrow ? 15 : 9,
      }),
      Plot.ruleY(measured.filter(({ c }) => known(c.low) && known(c.high)), {
        x1: (row) => row.c.low, x2: (row) => row.c.high, y: "index", stroke: (row) => GROUPS[row.group].colour, strokeWidth: 2.5, className: "intervals",
        dy: narrow ? 6 : 0,
      }),
      Object.entries(GROUPS).map(([group, look]) =>
        Plot.dot(measured.filter((row) => row.group === group), {
          x: (row) => row.c.difference, y: "index", r: 6 * look.size, symbol: look.symbol, stroke: look.colour, strokeWidth: 2,
          fill: (row) => (row.clear ? look.colour : "var(--surface)"), className: "means", dy: narrow ? 6 : 0,
        }),
      ),
      Plot.text(shown, {
        y: "index", text: name, frameAnchor: "left", textAnchor: "start", ...labelOptions, fill: "var(--ink)", stroke: "var(--surface)", strokeWidth: 4,
      }),
      Plot.text(shown, {
        y: "index", text: (row) => `p ${probability(row.c.p_holm)}`, frameAnchor: "right", textAnchor: narrow ? "end" : "start", dx: narrow ? 0 : 14,
        dy: narrow ? -12 : 0, fill: (row) => (row.clear ? "var(--ink)" : "var(--soft)"), stroke: "var(--surface)", strokeWidth: 4,
      }),
      narrow ? [] : Plot.text(["Holm p"], { frameAnchor: "top-right", textAnchor: "start", dx: 14, dy: -14, fill: "var(--soft)" }),
      tip(measured, {
        x: (row) => row.c.difference, y: "index",
        title: ({ c }) => [c.label, `${signed(c.difference)} (${interval(c.low, c.high, signed)})`, `Holm p ${probability(c.p_holm)}, ${plural(c.pairs, "pair", "pairs")}`, c.verdict].filter(Boolean).join("\n"),
      }),
    ],
  });
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, Math.max(1, length - 1))}…` : text;
}

/** A long label on two lines, broken behind the last comma or colon that fits. */
function twoLines(text, length) {
  if (text.length <= length) return text;
  const cut = Math.max(text.lastIndexOf(", ", length - 1), text.lastIndexOf(": ", length - 1)) + 1;
  return cut ? `${text.slice(0, cut)}\n${shorten(text.slice(cut + 1), length)}` : shorten(text, length);
}
