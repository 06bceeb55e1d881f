// The windows as CSV, in the columns of `hrf-ser predict rows=window`.

import { largest } from "./plan.js";

export function table(file, labels, windows) {
  const rows = windows.map(({ start, end, silent, probabilities }) => {
    const values = probabilities && Array.from(probabilities, (value) => value.toFixed(6));
    const emotion = values ? [labels[largest(probabilities)], values[largest(probabilities)], ...values] : [silent ? "" : "no speech", "", ...labels.map(() => "")];
    return [file, start.toFixed(3), end.toFixed(3), ...emotion];
  });
  return [["file", "start", "end", "emotion", "probability", ...labels], ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function cell(text) {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
