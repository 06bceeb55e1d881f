// Puts the page together: one corpus and one protocol at a time.

const report = withLists(JSON.parse(document.getElementById("report").textContent));

function withLists(data) {
  const lists = ["corpus", "protocol", "warnings", "configurations", "comparisons", "missing", "failed", "unfinished"];
  for (const name of lists) data[name] ??= [];
  data.labels ??= {};
  return data;
}

function viewOf(corpus, protocol) {
  const here = (entry) => entry.corpus === corpus && entry.protocol === protocol;
  const configurations = report.configurations.filter(here);
  return {
    corpus,
    protocol,
    configurations,
    comparisons: report.comparisons.filter(here),
    labels: report.labels[corpus] ?? [],
    byKey: new Map(configurations.map((c) => [c.key, c])),
  };
}

function drawPage(corpus, protocol) {
  const view = viewOf(corpus, protocol);
  const parts = view.configurations.length
    ? [headline(view), pareto(view), forest(view), rankCurve(view), recall(view), confusion(view), curves(view), configurationTable(view)]
    : [element("section", {}, note("No finished run."))];
  const sections = [...parts, incomplete()].filter(Boolean);
  document.getElementById("content").replaceChildren(...sections);
  document.getElementById("contents").replaceChildren(...sections.filter((part) => part.querySelector("h2[id]")).map(link));
}

function link(part) {
  return element("li", {}, element("a", { href: `#${part.id}` }, part.querySelector("h2").firstChild.textContent));
}

// Protocols of one corpus, `validation` first and `test_oracle` last.
function protocolsOf(corpus) {
  const found = new Set(report.configurations.filter((c) => c.corpus === corpus).map((c) => c.protocol));
  const place = (protocol) => Number(protocol === "test_oracle") - Number(protocol === "validation");
  return d3.sort(found, place, (protocol) => protocol);
}

function filters() {
  const corpora = [...new Set(report.configurations.map((c) => c.corpus))];
  const place = document.getElementById("filters");
  const choose = (corpus, protocol) => {
    drawPage(corpus, protocol);
    const protocols = protocolsOf(corpus);
    const control = segmented("Protocol", protocols.map((value) => ({ value, text: value })), protocol, (value) => drawPage(corpus, value));
    document.getElementById("protocol-filter").replaceChildren(control);
  };
  const options = corpora.map((value) => ({ value, text: value }));
  const corpus = segmented("Corpus", options, corpora[0], (value) => choose(value, protocolsOf(value)[0]));
  place.replaceChildren(corpus, element("div", { id: "protocol-filter" }));
  choose(corpora[0], corpora.length ? protocolsOf(corpora[0])[0] : undefined);
}

function warnings() {
  const items = report.warnings.map((text) => element("li", { class: /\btest_oracle\b/.test(text) ? "about-oracle" : null }, text));
  if (items.length) document.getElementById("warnings").replaceChildren(...items);
  else document.getElementById("warnings").remove();
}

function footer() {
  const versions = Object.entries(report.versions ?? {}).map(([name, version]) => `${name} ${version}`);
  document.getElementById("made").textContent = [`Made ${report.generated ?? "at an unknown time"}`, ...versions].join(" · ");
}

warnings();
filters();
footer();
