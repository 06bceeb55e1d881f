// The three questions, each with one number: does HRF help, how far is the large model, can it be believed.

function headline(view) {
  // The question is about the light models; HRF in a large one is in the forest plot.
  const hrf = view.comparisons.filter((c) => c.kind === "hrf" && view.byKey.get(c.a)?.size !== "large");
  // "light - large" is about the plain light model where there is one; HRF - large is in the forest plot.
  const pooled = view.comparisons.find((c) => c.kind === "pooled");
  const size = view.comparisons.filter((c) => c.kind === "size");
  const plain = size.filter((c) => view.byKey.get(c.a) && !view.byKey.get(c.a).hrf);
  const tiles = [
    difference("Does HRF help the light model?", "HRF − light", hrf, view, null, pooled),
    difference("How far from the large model?", "light − large", plain.length ? plain : size, view, smaller(view)),
    belief(view),
  ];
  return element("section", { id: "headline", "aria-label": "In short", class: "tiles" }, tiles);
}

function tile(question, number, unit, lines, picture, protocol) {
  return element(
    "div",
    { class: "tile" },
    element("h2", {}, question, " ", oracleMark(protocol)),
    element("p", { class: "big" }, element("span", { class: "figure" }, number), " ", element("span", { class: "unit" }, unit)),
    picture,
    lines.filter(Boolean).map((line) => element("p", {}, line)),
  );
}

function difference(question, name, comparisons, view, more = null, pooled = null) {
  const measured = comparisons.filter((c) => known(c.difference));
  if (!measured.length) return tile(question, UNKNOWN, "not measured yet", [more], null, view.protocol);
  const mean = pooled ? pooled.difference : d3.mean(measured, (c) => c.difference);
  const [low, high] = d3.extent(measured, (c) => c.difference);
  const range = `from ${signed(low)} to ${signed(high)}`;
  let lines = [`Mean of ${measured.length} comparisons, which lie ${range}.`];
  if (measured.length === 1) lines = [`One comparison: ${measured[0].label}; ${plural(measured[0].pairs, "pair", "pairs")}.`];
  else if (pooled) lines = [together(pooled, measured.length), `By themselves they lie ${range}.`];
  return tile(question, signed(mean), `UA, ${name}`, [...lines, clear(measured), more], strip(name, measured), view.protocol);
}

// The one test of the question: every model counts the same, on the folds and seeds that all of them have.
function together(pooled, count) {
  const bounds = known(pooled.low) ? `, 95 % interval ${interval(pooled.low, pooled.high, signed)}` : "";
  return `${count} comparisons together${bounds}, p ${probability(pooled.p_holm)}.`;
}

// How many differences hold, and in which direction.
function clear(comparisons) {
  const tested = comparisons.filter((c) => known(c.p_holm));
  if (!tested.length) return "None of them could be tested.";
  const holds = tested.filter((c) => c.p_holm < LEVEL);
  const of = tested.length === 1 ? "The difference" : `${holds.length || "None"} of ${tested.length}`;
  const directions = [
    [holds.filter((c) => c.difference > 0).length, "better"],
    [holds.filter((c) => c.difference < 0).length, "worse"],
  ].filter(([count]) => count);
  if (tested.length === 1) return `${of} is ${holds.length ? `clearly ${directions[0][1]}` : "not clear"} (Holm p ${probability(tested[0].p_holm)}).`;
  if (directions.length === 1) return `${of} clearly ${directions[0][1]} after Holm's correction.`;
  const split = directions.map(([count, verdict]) => `${count} ${verdict}`).join(", ");
  return holds.length ? `${of} clear after Holm's correction: ${split}.` : `${of} is clear after Holm's correction.`;
}

function smaller(view) {
  const ratios = families(view.configurations).flatMap(({ members }) => {
    const light = members.find((c) => groupOf(c) === "light")?.parameters?.deployed;
    const large = members.find((c) => groupOf(c) === "large")?.parameters?.deployed;
    return known(light) && known(large) && light > 0 ? [large / light] : [];
  });
  if (!ratios.length) return null;
  const [low, high] = d3.extent(ratios).map((ratio) => ratio.toPrecision(2));
  return `The light model has ${low === high ? low : `${low} to ${high}`} times fewer parameters.`;
}

function belief(view) {
  // What is independent counts: folds, where the report says so, and not every seed of a fold.
  const single = view.comparisons.filter((c) => c.kind !== "pooled");
  const units = new Set(single.map((c) => c.unit ?? "pair"));
  const unit = units.size === 1 ? [...units][0] : "unit";
  const numbers = single.map((c) => c.units ?? c.pairs).filter(known);
  const own = view.configurations.filter((c) => c.size !== "added");
  const runs = d3.sum(own, (c) => c.runs ?? 0);
  const [low, high] = d3.extent(numbers);
  const pairs = d3.extent(single.map((c) => c.pairs).filter(known));
  const smallest = d3.min(single, (c) => (known(c.smallest_p) ? c.smallest_p : undefined));
  const lines = [
    `${plural(runs, "finished run", "finished runs")} of ${plural(own.length, "configuration", "configurations")}.`,
    unit !== "pair" && known(pairs[0]) && `${pairs[0] === pairs[1] ? plural(pairs[0], "pair", "pairs") : pairs.join(" to ") + " pairs"} of fold and seed a comparison.`,
    known(smallest) && `Smallest p that this design can reach: ${probability(smallest)}.`,
    report.missing.length > 0 && `${plural(report.missing.length, "run is", "runs are")} missing.`,
  ];
  const number = numbers.length ? (low === high ? whole(low) : `${low}–${high}`) : "0";
  return tile("Can I believe it?", number, `${number === "1" ? unit : `${unit}s`} a comparison`, lines, null, view.protocol);
}

// Every comparison as a tick about zero: the mean alone would hide how they lie.
function strip(name, comparisons) {
  const reach = Math.max(0.01, d3.max(comparisons, (c) => Math.abs(c.difference))) * 1.1;
  const holder = figure(
    "strip",
    `${name}: each comparison`,
    comparisons.map((c) => `${c.label}: ${signed(c.difference)}`).join("; "),
    (width) =>
      Plot.plot({
        width,
        height: 44,
        marginLeft: 6,
        marginRight: 6,
        marginTop: 4,
        marginBottom: 20,
        style: STYLE,
        x: { domain: [-reach, reach], axis: null },
        marks: [
          Plot.ruleX([0], { stroke: "var(--soft)" }),
          Plot.text(["worse"], { frameAnchor: "bottom-left", dy: 16, fill: "var(--soft)" }),
          Plot.text(["0"], { x: 0, frameAnchor: "bottom", dy: 16, fill: "var(--soft)" }),
          Plot.text(["better"], { frameAnchor: "bottom-right", dy: 16, fill: "var(--soft)" }),
          Plot.dot(comparisons, {
            x: "difference", r: 5, fill: comparisons[0].kind === "hrf" ? "var(--hrf)" : "var(--large)",
            fillOpacity: 0.6, stroke: "var(--surface)",
          }),
        ],
      }),
  );
  return holder;
}
