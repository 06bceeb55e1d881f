// UA against what it costs. Up and to the left is better.

const COSTS = {
  parameters: {
    text: "Parameters", axis: "Deployed parameters (log)", value: (c) => c.parameters?.deployed, format: compact,
  },
  macs: {
    text: "Multiply-adds", axis: "Multiply-adds per second of audio (log)",
    value: (c) => c.macs_per_second_of_audio, format: compact,
  },
  latency: { text: "Latency", axis: "Latency, median (ms, log)", value: (c) => c.latency_ms?.p50, format: milliseconds },
};

function pareto(view) {
  const place = element("div");
  const show = (cost) => place.replaceChildren(paretoPicture(view, cost));
  const options = Object.entries(COSTS).map(([value, cost]) => {
    const measured = paretoRows(view, cost).length > 0;
    return { value, text: cost.text, disabled: !measured, hint: measured ? null : "not measured" };
  });
  const first = options.find((option) => !option.disabled)?.value;
  if (first) show(first);
  else place.replaceChildren(note("No configuration has both a UA and a cost."));
  const front = element("span", { class: "front-key" }, "Pareto front: nothing is both smaller and better");
  return section(
    "pareto",
    "UA against cost",
    view.protocol,
    segmented("Cost", options, first, show),
    legend(view.configurations, front),
    place,
  );
}

function paretoRows(view, cost) {
  const rows = view.configurations
    .map((c) => ({ c, group: groupOf(c), cost: cost.value(c), ua: c.scores?.ua?.mean, low: c.scores?.ua?.low, high: c.scores?.ua?.high }))
    .filter((row) => known(row.cost) && row.cost > 0 && known(row.ua))
    .map((row) => ({ ...row, measured: row.cost }));
  // One family and size deploys one structure: latencies that nearly agree differ by noise, which must not shape the front.
  for (const members of clusters(rows)) {
    const [low, high] = d3.extent(members, (row) => row.measured);
    if (high > low && high / low < SAME) {
      const mean = Math.exp(d3.mean(members, (row) => Math.log(row.measured)));
      members.forEach((row) => (row.cost = mean));
    }
  }
  return rows;
}

const SAME = 1.15;

function clusters(rows) {
  return [...d3.group(rows, (row) => `${row.c.family} ${row.c.size} ${row.c.parameters?.deployed}`).values()];
}

function paretoPicture(view, choice) {
  const cost = COSTS[choice];
  const rows = paretoRows(view, cost);
  const chance = chanceOf(view.configurations);
  const range = scoreRange(rows.flatMap((row) => [row.ua, row.low, row.high]), chance);
  const front = paretoFront(rows);
  const best = joined(front.map((row) => row.c.label));
  const numbers = plainTable(`UA against ${cost.text.toLowerCase()}`, [
    { title: "Configuration", text: (row) => row.c.label },
    { title: cost.text, text: (row) => cost.format(row.measured), number: true },
    { title: "UA", text: (row) => score(row.ua), number: true },
    { title: "95 % interval", text: (row) => interval(row.low, row.high), number: true },
    { title: "On the front", text: (row) => (front.includes(row) ? "yes" : "") },
  ], rows);
  const caption = note(
    "Whiskers are 95 % intervals. The number under a diamond is its HRF rank. Light models with and without HRF cost the same: they stand side by side only so that all can be seen." +
      (choice === "latency" ? " Latencies that agree within 15 % are drawn at their mean; the table has each." : "") +
      chanceNote(chance, range),
  );
  const title = `${splitUA()} against ${cost.axis}`;
  const draw = (width) => paretoPlot(width, view, rows, front, cost, chance, range);
  return element("div", {}, figure("pareto", title, `On the Pareto front: ${best}.`, draw, numbers), caption);
}

// What no other configuration beats in both; of equals in cost the better one.
function paretoFront(rows) {
  const front = [];
  for (const row of d3.sort(rows, (r) => r.cost, (r) => -r.ua)) {
    if (!front.length || row.ua > front[front.length - 1].ua) front.push(row);
  }
  return front;
}

function paretoPlot(width, view, rows, front, cost, chance, scores) {
  const narrow = width < NARROW;
  // A phone needs room for labels beneath the marks.
  const range = narrow ? [Math.max(0, scores[0] - 0.1 * (scores[1] - scores[0])), scores[1]] : scores;
  const margins = { marginLeft: 44, marginRight: narrow ? 8 : 60, marginTop: 36, marginBottom: 48 };
  const height = narrow ? 360 : 440;
  const inner = width - margins.marginLeft - margins.marginRight;
  const [low, high] = d3.extent(rows, (row) => row.cost);
  const domain = [low / (narrow ? 1.35 : 1.2), high * (narrow ? 1.35 : 1.2)];
  const x = d3.scaleLog(domain, [0, inner]);
  const y = d3.scaleLinear(range, [height - margins.marginBottom, margins.marginTop]);
  // Moved by pixels, through the scale, so that whiskers, front and labels move along.
  for (const members of clusters(rows)) {
    const step = Math.min(narrow ? 10 : 18, (narrow ? 48 : 120) / members.length);
    inOrder(members.map((row) => row.c)).forEach((c, index) => {
      const row = members.find((member) => member.c === c);
      row.x = x.invert(x(row.cost) + (index - (members.length - 1) / 2) * step);
    });
  }
  return Plot.plot({
    width,
    height,
    ...margins,
    style: STYLE,
    x: { type: "log", domain, label: cost.axis, ...AXIS, ticks: logTicks(domain), tickFormat: cost.format },
    y: { domain: range, label: `${splitUA()} (95 % interval)`, labelArrow: "none", grid: true, ticks: 6 },
    marks: [
      chanceLine(chance, range),
      Plot.line(front, { x: "x", y: "ua", curve: "step-after", stroke: "var(--soft)", strokeWidth: 1.5, strokeDasharray: "5 4", className: "front" }),
      Plot.ruleX(rows.filter((row) => known(row.low) && known(row.high)), {
        x: "x", y1: "low", y2: "high", stroke: (row) => GROUPS[row.group].colour, strokeWidth: 1.5, strokeOpacity: 0.55, className: "whiskers",
      }),
      dots(rows, { x: "x", y: "ua" }),
      rankLabels(rows, narrow),
      familyLabels(view, rows, x, y, margins, inner, narrow),
      tip(rows, {
        x: "x", y: "ua",
        title: (row) => [row.c.label, `UA ${score(row.ua)} (${interval(row.low, row.high)})`, `${cost.text} ${cost.format(row.measured)}`].join("\n"),
      }),
    ],
    color: { type: "identity" },
  });
}

function rankLabels(rows, narrow) {
  const ranked = rows.filter((row) => row.group === "hrf" && known(row.c.rank));
  const y = (row) => (known(row.low) ? Math.min(row.low, row.ua) : row.ua);
  return Plot.text(ranked, { x: "x", y, text: (row) => (narrow ? String(row.c.rank) : rankText(row.c)), dy: 9, fill: "var(--hrf-text)", fontSize: narrow ? 9 : 11 });
}

// One label for each family and size, where it covers neither marks nor another label.
function familyLabels(view, rows, x, y, margins, inner, narrow) {
  const size = narrow ? 11 : 12;
  const marks = rows.map((row) => ({
    left: x(row.x) - 6, right: x(row.x) + 6, top: y(row.high ?? row.ua) - 2, bottom: y(row.low ?? row.ua) + (row.group === "hrf" ? 14 : 2),
  }));
  const taken = [];
  const labels = clusters(rows).map((members) => {
    const name = shorten(familyName(members[0].c.family, view.configurations), 24) + (members[0].c.size === "large" ? " large" : "");
    const width = name.length * size * 0.66 + 6;
    const own = members.map((row) => marks[rows.indexOf(row)]);
    const [top, bottom] = [d3.min(own, (mark) => mark.top), d3.max(own, (mark) => mark.bottom)];
    const limits = { left: -4, right: inner + margins.marginRight, top: 14, bottom: y.range()[0] - 2 };
    const others = marks.filter((mark) => !own.includes(mark));
    const box = labelPlace(x(d3.mean(members, (row) => row.x)), top, bottom, width, size + 3, marks, others, taken, limits);
    taken.push(box);
    return { text: name, x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 };
  });
  return labels.map((label) =>
    Plot.text([label.text], {
      x: x.invert(label.x), y: y.invert(label.y), fontSize: size, fontWeight: 600, fill: "var(--ink)", stroke: "var(--surface)", strokeWidth: 4,
      className: "family-label",
    }),
  );
}

// The nearest place above or below its marks that covers least. Other labels weigh more than marks, marks more than distance;
// so close to marks of others that it could be theirs is nearly as bad as far away.
function labelPlace(middle, top, bottom, width, height, marks, others, taken, limits) {
  const steps = d3.range(0, 70, 7);
  const heights = [...steps.map((step) => [top - height - step, step]), ...steps.map((step) => [bottom + step, step + 4])];
  const candidates = heights.flatMap(([y, far]) =>
    [0, -0.25, 0.25, -0.45, 0.45].map((shift) => {
      const left = Math.max(limits.left, Math.min(middle + shift * width - width / 2, limits.right - width));
      const box = { left, right: left + width, top: y, bottom: y + height };
      const covered = 20 * taken.filter((other) => meet(box, other)).length + 5 * marks.filter((mark) => meet(box, mark)).length;
      const near = { ...box, top: box.top - 10, bottom: box.bottom + 10 };
      const unclear = others.some((mark) => meet(near, mark)) ? 3 : 0;
      const outside = box.top < limits.top || box.bottom > limits.bottom ? 30 : 0;
      return { box, cost: covered + unclear + outside + far / 7 + 4 * Math.abs(shift) };
    }),
  );
  return d3.least(candidates, (candidate) => candidate.cost).box;
}

function meet(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
