// All configurations: sorted by a click on a heading, filtered by text, opened to the runs; with the command of each.

const COLUMNS = [
  { key: "label", title: "Configuration", value: (c) => c.label, first: "ascending" },
  { key: "ua", title: "UA", value: (c) => c.scores?.ua?.mean, text: (c) => withSpread(c.scores?.ua), hint: "mean ± standard deviation over runs" },
  { key: "wa", title: "WA", value: (c) => c.scores?.wa?.mean, text: (c) => score(c.scores?.wa?.mean) },
  { key: "wf1", title: "WF1", hint: "F1 weighted by class size", value: (c) => c.scores?.wf1?.mean, text: (c) => score(c.scores?.wf1?.mean) },
  { key: "f1", title: "F1", hint: "F1, mean over classes", value: (c) => c.scores?.f1?.mean, text: (c) => score(c.scores?.f1?.mean) },
  { key: "training", title: "Trained param.", value: (c) => c.parameters?.training, text: (c) => whole(c.parameters?.training), first: "ascending" },
  { key: "deployed", title: "Deployed param.", value: (c) => c.parameters?.deployed, text: (c) => whole(c.parameters?.deployed), first: "ascending" },
  { key: "macs", title: "Multiply-adds", hint: "per second of audio", value: (c) => c.macs_per_second_of_audio, text: (c) => compact(c.macs_per_second_of_audio), first: "ascending" },
  { key: "latency", title: "Latency", value: (c) => c.latency_ms?.p50, text: (c) => milliseconds(c.latency_ms?.p50), first: "ascending", hint: "median of the deployed model" },
  { key: "runs", title: "Runs", value: (c) => c.runs, text: (c) => whole(c.runs) },
  { key: "seconds", title: "Time", hint: "training, mean of the runs", value: (c) => c.seconds, text: (c) => duration(c.seconds), first: "ascending" },
];

function withSpread(numbers) {
  if (!known(numbers?.mean)) return UNKNOWN;
  return known(numbers.sd) ? `${score(numbers.mean)} ± ${score(numbers.sd)}` : score(numbers.mean);
}

function configurationTable(view) {
  const state = { column: COLUMNS[1], direction: "descending", filter: "", open: new Set() };
  const body = element("tbody");
  const status = element("p", { class: "note", role: "status" });
  const headings = COLUMNS.map((column) => {
    const sort = () => {
      const other = { ascending: "descending", descending: "ascending" };
      state.direction = state.column === column ? other[state.direction] : (column.first ?? "descending");
      state.column = column;
      show();
    };
    const button = element("button", { type: "button", title: column.hint, click: sort }, column.title, element("span", { class: "arrow", "aria-hidden": "true" }));
    return element("th", { scope: "col", class: column.key === "label" ? null : "number", "data-column": column.key }, button);
  });
  const show = () => {
    headings.forEach((heading, index) => {
      heading.setAttribute("aria-sort", COLUMNS[index] === state.column ? state.direction : "none");
    });
    const rows = sorted(view.configurations.filter((c) => matches(c, state.filter)), state);
    body.replaceChildren(...rows.flatMap((c) => configurationRow(c, state)));
    status.textContent = `${rows.length} of ${plural(view.configurations.length, "configuration", "configurations")}`;
  };
  const filter = element("input", {
    type: "search",
    id: "filter",
    placeholder: "conformer hrf",
    autocomplete: "off",
    input: (event) => {
      state.filter = event.target.value;
      show();
    },
  });
  show();
  const head = element("thead", {}, element("tr", {}, headings, element("th", { scope: "col" }, "Command")));
  const table = element("table", { class: "configurations" }, element("caption", { class: "unseen" }, "Configurations"), head, body);
  return section(
    "configurations",
    "Configurations",
    view.protocol,
    element("div", { class: "controls" }, element("label", { for: "filter" }, "Filter "), filter, status),
    scrolling("Table of configurations", table),
  );
}

// Every part of the filter must occur somewhere in the name or the key.
function matches(configuration, filter) {
  const text = `${configuration.label} ${configuration.key} ${GROUPS[groupOf(configuration)].name}`.toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

// What is unknown comes last in both directions.
function sorted(configurations, { column, direction }) {
  const sign = direction === "ascending" ? 1 : -1;
  const missing = (value) => value === null || value === undefined;
  return [...configurations].sort((a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y));
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
  });
}

function configurationRow(configuration, state) {
  const id = identifier("runs");
  const detail = element("tr", { id, class: "detail", hidden: !state.open.has(configuration.key) });
  const fill = () => detail.replaceChildren(element("td", { colspan: COLUMNS.length + 1 }, runsOf(configuration)));
  const toggle = () => {
    const open = detail.hidden;
    // 5,000 runs become elements only where somebody looks.
    if (open) fill();
    detail.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) state.open.add(configuration.key);
    else state.open.delete(configuration.key);
  };
  if (!detail.hidden) fill();
  const expanded = { type: "button", class: "expand", "aria-expanded": String(!detail.hidden), "aria-controls": id, click: toggle };
  const button = element("button", expanded, swatch(groupOf(configuration)), element("span", {}, configuration.label));
  const cells = COLUMNS.slice(1).map((column) => element("td", { class: "number", "data-column": column.key }, column.text(configuration)));
  const row = element(
    "tr",
    { class: "configuration", "data-key": configuration.key },
    element("th", { scope: "row" }, button, " ", oracleMark(configuration.protocol)),
    cells,
    element("td", {}, copyButton(configuration.command, configuration.label)),
  );
  return [row, detail];
}

function runsOf(configuration) {
  const runs = plainTable(`Runs of ${configuration.label}`, [
    { title: "Fold", text: (run) => String(run.fold ?? UNKNOWN) },
    { title: "Seed", text: (run) => String(run.seed ?? UNKNOWN), number: true },
    { title: "UA", text: (run) => score(run.ua), number: true },
    { title: "WA", text: (run) => score(run.wa), number: true },
    { title: "WF1", text: (run) => score(run.wf1), number: true },
    { title: "F1", text: (run) => score(run.f1), number: true },
    { title: "Validation UA", text: (run) => score(run.val_ua), number: true },
    { title: "Best epoch", text: (run) => `${known(run.best_epoch) ? run.best_epoch + 1 : UNKNOWN} of ${run.epochs ?? UNKNOWN}`, number: true },
    { title: "Time", text: (run) => duration(run.seconds), number: true },
    { title: "Folder", text: (run) => element("code", {}, run.folder ?? UNKNOWN) },
    { title: "Command", text: (run) => copyButton(run.command, `${configuration.label}, fold ${run.fold}, seed ${run.seed}`) },
  ], configuration.detail ?? []);
  const { ua } = configuration.scores ?? {};
  const facts = `UA ${score(ua?.mean)}, 95 % interval ${interval(ua?.low, ua?.high)}; all utterances pooled ${score(ua?.pooled)}.`;
  return element("div", { class: "runs" }, note(facts), element("div", { class: "command" }, element("pre", {}, element("code", {}, configuration.command ?? UNKNOWN)), copyButton(configuration.command, configuration.label)), runs);
}

function copyButton(command, name) {
  if (!command) return UNKNOWN;
  const button = element("button", { type: "button", class: "copy", title: command, "aria-label": `Copy the command of ${name}` }, "Copy");
  button.addEventListener("click", async () => {
    const done = await copyText(command);
    button.textContent = done ? "Copied" : "Not allowed";
    announce(done ? `Copied the command of ${name}` : "The browser did not allow copying");
    setTimeout(() => (button.textContent = "Copy"), 1600);
  });
  return button;
}

// The clipboard's own interface is missing where the browser does not trust the page's address; the old way needs a selection.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

function announce(text) {
  document.getElementById("announcement").textContent = text;
}
