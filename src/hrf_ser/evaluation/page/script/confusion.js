// The confusion matrix. A table of buttons: arrow keys move, a click describes the cell.

function confusion(view) {
  const shown = families(view.configurations).flatMap(({ members }) => members).filter((c) => square(c.confusion, view.labels));
  if (!shown.length) return null;
  const state = { configuration: typicalHrf(shown.filter((c) => familyKey(c) === familyKey(shown[0]))) ?? shown[0], counts: false };
  const place = element("div");
  const text = element("p", { class: "drill", "aria-live": "polite", id: "confusion-text" });
  const show = () => {
    text.textContent = "Select a cell for its description.";
    place.replaceChildren(matrix(view, state, (row, column) => (text.textContent = describeCell(view, shown, state.configuration, row, column))));
  };
  const select = element(
    "select",
    {
      id: "confusion-of",
      change: (event) => {
        state.configuration = shown[Number(event.target.value)];
        show();
      },
    },
    shown.map((c, index) => element("option", { value: String(index), selected: c === state.configuration }, c.label)),
  );
  const unit = [{ value: "share", text: "Share of row" }, { value: "count", text: "Counts" }];
  const choose = (value) => {
    state.counts = value === "count";
    show();
  };
  show();
  return section(
    "confusion",
    "Confusion",
    view.protocol,
    element("div", { class: "controls" }, element("label", { for: "confusion-of" }, "Configuration "), select, segmented("Cells", unit, "share", choose)),
    element("div", { class: "beside" }, place, text),
  );
}

function square(cells, labels) {
  return Array.isArray(cells) && labels.length > 0 && cells.length === labels.length && cells.every((row) => Array.isArray(row) && row.length === labels.length);
}

function matrix(view, state, tell) {
  const { labels } = view;
  const buttons = [];
  const head = [element("th", { class: "corner" }, element("span", {}, "predicted →"), element("span", {}, "label ↓")), ...labels.map((label) => element("th", { scope: "col" }, element("span", {}, label)))];
  const body = labels.map((label, row) => {
    const total = d3.sum(state.configuration.confusion[row]);
    const cells = labels.map((other, column) => {
      const count = state.configuration.confusion[row][column];
      const share = total ? count / total : null;
      const text = state.counts ? whole(count) : known(share) ? Math.round(share * 100) : UNKNOWN;
      const button = element(
        "button",
        {
          type: "button",
          tabindex: buttons.length ? "-1" : "0",
          "aria-label": `${label} predicted as ${other}: ${state.counts ? whole(count) : percent(share)}`,
          "data-cell": `${row},${column}`,
          class: row === column && "diagonal",
          click: () => {
            rove(buttons, buttons.indexOf(button));
            buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
            tell(row, column);
          },
        },
        String(text),
      );
      button.style.setProperty("--share", `${Math.round((share ?? 0) * 100)}%`);
      buttons.push(button);
      return element("td", {}, button);
    });
    return element("tr", {}, element("th", { scope: "row" }, label), cells);
  });
  const caption = `Confusion of ${state.configuration.label}, ${state.counts ? "counts" : "percent of each row"}`;
  const table = element(
    "table",
    { class: "confusion", keydown: (event) => arrows(event, buttons, labels.length) },
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, head)),
    element("tbody", {}, body),
  );
  table.style.setProperty("--classes", labels.length);
  return element("div", { class: "scrolling", "data-plot": "confusion" }, table);
}

// One stop for Tab in the whole matrix; arrows move inside it.
function arrows(event, buttons, columns) {
  const from = buttons.indexOf(document.activeElement);
  const row = Math.floor(from / columns);
  const last = columns - 1;
  const target = {
    ArrowLeft: from % columns > 0 ? from - 1 : from,
    ArrowRight: from % columns < last ? from + 1 : from,
    ArrowUp: row > 0 ? from - columns : from,
    ArrowDown: row < last ? from + columns : from,
    Home: row * columns,
    End: row * columns + last,
  }[event.key];
  if (from < 0 || target === undefined) return;
  event.preventDefault();
  rove(buttons, target);
  buttons[target].focus();
}

function rove(buttons, target) {
  buttons.forEach((button, index) => button.setAttribute("tabindex", index === target ? "0" : "-1"));
}

// "Of 48 utterances of sad, 12 (25 %) were predicted as calm.", and the same cell of the other members of the family.
function describeCell(view, shown, configuration, row, column) {
  const [label, other] = [view.labels[row], view.labels[column]];
  const counts = configuration.confusion[row];
  const total = d3.sum(counts);
  if (!total) return `No utterance of ${label} was tested.`;
  const what = row === column ? "were recognised" : `were predicted as ${other}`;
  const rest = shown
    .filter((c) => c !== configuration && familyKey(c) === familyKey(configuration) && d3.sum(c.confusion[row]))
    .map((c) => `${memberName(c)}: ${percent(c.confusion[row][column] / d3.sum(c.confusion[row]))}`);
  const compared = rest.length ? ` For comparison: ${joined(rest)}.` : "";
  return `Of ${plural(total, "utterance", "utterances")} of ${label}, ${whole(counts[column])} (${percent(counts[column] / total)}) ${what}.${compared}`;
}
