// Recall of every class, by configuration of one family.

function recall(view) {
  const shown = families(view.configurations)
    .map((family) => ({ ...family, members: family.members.filter((c) => Object.values(c.recall ?? {}).some(known)) }))
    .filter(({ members }) => members.length);
  if (!shown.length) return null;
  const place = element("div");
  const show = (family) => place.replaceChildren(recallPicture(view, shown.find((entry) => entry.family === family)));
  show(shown[0].family);
  const choice = shown.map(({ family, name }) => ({ value: family, text: name }));
  return section(
    "recall",
    "Recall of each class",
    view.protocol,
    shown.length > 1 ? segmented("Model", choice, shown[0].family, show) : null,
    legend(view.configurations),
    place,
  );
}

function recallPicture(view, { name, members }) {
  const labels = view.labels.length ? view.labels : [...new Set(members.flatMap((c) => Object.keys(c.recall)))];
  const lanes = members.length;
  const rows = labels.flatMap((label, index) =>
    members.map((c, lane) => ({ c, group: groupOf(c), label, value: c.recall?.[label], y: index * (lanes + 1.2) + lane })).filter((row) => known(row.value)),
  );
  const columns = [{ title: "Class", text: (label) => label }].concat(
    members.map((c) => ({ title: memberName(c), text: (label) => score(c.recall?.[label]), number: true })),
  );
  const description = members.map((c) => `${memberName(c)}: weakest class ${weakest(c)}`).join("; ");
  const draw = (width) => recallPlot(width, labels, lanes, rows, chanceOf(members));
  return figure("recall", `Recall of each class, ${name}`, description, draw, plainTable(`Recall, ${name}`, columns, labels));
}

function weakest(configuration) {
  const [label, value] = d3.least(Object.entries(configuration.recall ?? {}).filter(([, v]) => known(v)), ([, v]) => v) ?? [UNKNOWN, null];
  return `${label} ${score(value)}`;
}

function recallPlot(width, labels, lanes, rows, chance) {
  const narrow = width < NARROW;
  const bottom = labels.length * (lanes + 1.2) - 0.6;
  const left = Math.min(narrow ? 84 : 140, 14 + 7 * (d3.max(labels, (label) => label.length) ?? 0));
  const separators = d3.range(1, labels.length).map((index) => index * (lanes + 1.2) - 1.1);
  return Plot.plot({
    width,
    height: bottom * 12 + 80,
    marginLeft: left,
    marginRight: 26,
    marginTop: 26,
    marginBottom: 48,
    style: STYLE,
    x: { domain: [0, 1], label: "Recall on the test set", ...AXIS, grid: true, ticks: narrow ? 4 : 10 },
    y: { domain: [bottom, -1], axis: null },
    color: { type: "identity" },
    marks: [
      Plot.ruleY(separators, { stroke: "var(--line)" }),
      known(chance) ? Plot.ruleX([chance], { stroke: "var(--soft)", strokeDasharray: "2 3", className: "chance" }) : [],
      known(chance) ? Plot.text([`chance ${score(chance)}`], { x: chance, frameAnchor: "top", dy: -12, fill: "var(--soft)" }) : [],
      Plot.text(labels, {
        x: 0, y: (_, index) => index * (lanes + 1.2) + (lanes - 1) / 2, text: (label) => shorten(label, Math.floor((left - 8) / 6.4)),
        textAnchor: "end", dx: -10, fill: "var(--ink)",
      }),
      dots(rows, { x: "value", y: "y", r: 4.5 }),
      Plot.text(rows.filter((row) => row.group === "hrf"), {
        x: "value", y: "y", text: (row) => rankText(row.c), dx: 8, textAnchor: "start", fontSize: 10, fill: "var(--hrf-text)",
      }),
      tip(rows, { x: "value", y: "y", title: (row) => `${row.c.label}\n${row.label}: recall ${score(row.value)}` }),
    ],
  });
}
