// Numbers as they are read. What is not known is a dash.

const UNKNOWN = "–";
const LEVEL = 0.05; // below it, after Holm's correction, a difference is called clear

function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

function score(value) {
  return known(value) ? value.toFixed(3) : UNKNOWN;
}

function signed(value) {
  if (!known(value)) return UNKNOWN;
  const digits = Math.abs(value).toFixed(3);
  if (digits === "0.000") return digits;
  return (value < 0 ? "−" : "+") + digits;
}

function interval(low, high, text = score) {
  return known(low) && known(high) ? `${text(low)} to ${text(high)}` : UNKNOWN;
}

function probability(value) {
  if (!known(value)) return UNKNOWN;
  return value < 0.001 ? "<\u00a00.001" : value.toFixed(3);
}

function whole(value) {
  return known(value) ? Math.round(value).toLocaleString("en") : UNKNOWN;
}

function compact(value) {
  if (!known(value)) return UNKNOWN;
  for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (value >= size) return Number((value / size).toPrecision(3)) + unit;
  }
  return String(Number(value.toPrecision(3)));
}

function milliseconds(value) {
  return known(value) ? `${Number(value.toPrecision(3))} ms` : UNKNOWN;
}

function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 90) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function percent(share) {
  return known(share) ? `${Math.round(share * 100)}\u00a0%` : UNKNOWN;
}

function plural(count, one, many) {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

function joined(list) {
  if (list.length < 2) return list.join("");
  return `${list.slice(0, -1).join(", ")} and ${list[list.length - 1]}`;
}
