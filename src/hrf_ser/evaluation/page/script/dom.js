// Elements. Text from the report only ever becomes a text node or an attribute, so no name in it can become markup.

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

let identifiers = 0;

function identifier(prefix) {
  identifiers += 1;
  return `${prefix}-${identifiers}`;
}

// Radio buttons that look like one control: arrow keys and the spoken "2 of 3" come from the browser.
// options: [{value, text, disabled}]
function segmented(legend, options, value, choose) {
  const name = identifier("choice");
  const parts = options.map((option) => {
    const input = element("input", {
      type: "radio",
      name,
      value: option.value,
      checked: option.value === value,
      disabled: option.disabled,
      change: () => choose(option.value),
    });
    return element("label", { title: option.hint }, input, element("span", {}, option.text));
  });
  const title = element("legend", {}, legend);
  return element("fieldset", { class: "segmented" }, title, element("div", { class: "segments" }, parts));
}

// A table of plain texts. columns: [{title, text(row), number}]; the first column names the row.
function plainTable(caption, columns, rows) {
  const head = columns.map((column) => element("th", { scope: "col", class: column.number && "number" }, column.title));
  const body = rows.map((row) => {
    const cells = columns.map((column, index) => {
      const attributes = { scope: index === 0 ? "row" : null, class: column.number ? "number" : column.kind };
      return element(index === 0 ? "th" : "td", attributes, column.text(row));
    });
    return element("tr", {}, cells);
  });
  const table = element(
    "table",
    {},
    element("caption", { class: "unseen" }, caption),
    element("thead", {}, element("tr", {}, head)),
    element("tbody", {}, body),
  );
  return scrolling(caption, table);
}

// What is wider than the window scrolls by itself, with the keyboard too; the page never does.
function scrolling(label, node) {
  return element("div", { class: "scrolling", role: "region", "aria-label": label, tabindex: "0" }, node);
}

function section(id, title, protocol, ...children) {
  const heading = element("h2", { id: `${id}-title` }, title, " ", oracleMark(protocol));
  return element("section", { id, "aria-labelledby": `${id}-title` }, heading, children);
}

// Numbers of protocol `test_oracle` never stand without this.
function oracleMark(protocol) {
  if (protocol !== "test_oracle") return null;
  return element("span", { class: "oracle", title: "The checkpoint was selected on the test set: optimistic scores" }, "protocol test_oracle");
}

function note(...children) {
  return element("p", { class: "note" }, children);
}
