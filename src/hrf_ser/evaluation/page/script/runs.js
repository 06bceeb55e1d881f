// What the numbers above do not hold: runs that are missing, failed or not finished.

function incomplete() {
  const lists = [
    runList("missing", "Missing", report.missing, [
      { title: "Configuration", text: (run) => run.key },
      { title: "Fold", text: (run) => String(run.fold ?? UNKNOWN), number: true },
      { title: "Seed", text: (run) => String(run.seed ?? UNKNOWN), number: true },
    ]),
    runList("failed", "Failed", report.failed, [
      { title: "Folder", text: (run) => element("code", {}, run.folder) },
      { title: "Reason", text: (run) => run.reason ?? UNKNOWN, kind: "prose" },
    ]),
    runList("unfinished", "Unfinished", report.unfinished, [{ title: "Folder", text: (run) => element("code", {}, run.folder) }]),
  ].filter(Boolean);
  const nothing = note("None: every run that the others imply is there and finished.");
  return section("incomplete", "Runs not in these numbers", null, lists.length ? lists : nothing);
}

const FEW = 8;

function runList(kind, title, runs, columns) {
  if (!runs.length) return null;
  const open = runs.length <= FEW;
  return element("details", { open, "data-runs": kind }, element("summary", {}, `${title}: ${whole(runs.length)}`), plainTable(title, columns, runs));
}
