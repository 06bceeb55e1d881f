// Waveform, log-mel and curve over one time axis, each with a description for screen readers.

import { begin, colour, isDark } from "./canvas.js";
import { BANDS } from "./mel.js";
import { largest } from "./plan.js";
import { COLUMNS } from "./track.js";

const FLOOR_DB = 70;
const AXIS = 20; // height of the time axis below the curve
const RAMPS = {
  light: [[247, 249, 250], [190, 218, 226], [88, 160, 184], [26, 92, 138], [14, 38, 76]],
  dark: [[22, 26, 31], [20, 56, 84], [31, 110, 144], [104, 180, 190], [232, 246, 236]],
};

export class Pictures {
  track = null;
  cursor = null; // seconds, or null
  hover = null; // where the mouse is, likewise
  image = document.createElement("canvas");

  constructor(nodes, labels, colours) {
    const { waveform, mel, curve } = nodes;
    Object.assign(this, { nodes: { waveform, mel, curve }, labels, colours });
    new ResizeObserver(() => this.draw()).observe(nodes.curve);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(track) {
    this.track = track;
    this.cursor = this.hover = null;
    if (!track) for (const node of Object.values(this.nodes)) node.setAttribute("aria-label", `${node.dataset.name}: nothing yet`);
    this.draw();
  }

  // Draws once a frame at most, however often it is called.
  draw() {
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = null;
      this.drawWaveform(begin(this.nodes.waveform));
      this.drawMel(begin(this.nodes.mel));
      this.drawCurve(begin(this.nodes.curve));
    });
  }

  // Of a recording, in seconds; endless while listening.
  get length() {
    return this.track.live ? Infinity : this.track.span;
  }

  // The moment at a share of the width, within what is there.
  time(share) {
    const { start, span, end } = this.track;
    return Math.min(end, Math.max(start, start + share * span));
  }

  place(time, width) {
    return ((time - this.track.start) / (this.track.span || 1)) * width;
  }

  drawWaveform({ context, width, height }) {
    const middle = height / 2;
    context.fillStyle = colour("--line");
    context.fillRect(0, middle - 0.5, width, 1);
    if (!this.track?.filled) return;
    const { low, high, filled } = this.track;
    let peak = 0.02;
    for (let column = 0; column < filled; column += 1) peak = Math.max(peak, high[column], -low[column]);
    const scale = (middle - 2) / peak;
    const total = this.track.live ? COLUMNS : filled;
    context.fillStyle = colour("--wave");
    context.beginPath();
    context.moveTo(0, middle);
    for (let column = 0; column < filled; column += 1) context.lineTo(((column + 0.5) / total) * width, middle - high[column] * scale - 0.5);
    for (let column = filled - 1; column >= 0; column -= 1) context.lineTo(((column + 0.5) / total) * width, middle - low[column] * scale + 0.5);
    context.fill();
    this.drawCursor(context, width, height);
  }

  drawMel({ context, width, height }) {
    if (!this.track?.filled) return;
    const { mel, filled } = this.track;
    let top = -60;
    for (let place = 0; place < filled * BANDS; place += 1) top = Math.max(top, mel[place]);
    const ramp = RAMPS[isDark() ? "dark" : "light"];
    [this.image.width, this.image.height] = [filled, BANDS];
    const pixels = new ImageData(filled, BANDS);
    for (let column = 0; column < filled; column += 1) {
      for (let band = 0; band < BANDS; band += 1) {
        const share = Math.min(1, Math.max(0, 1 + (mel[column * BANDS + band] - top) / FLOOR_DB)) * (ramp.length - 1);
        const step = Math.min(ramp.length - 2, Math.floor(share));
        const place = 4 * ((BANDS - 1 - band) * filled + column);
        for (let part = 0; part < 3; part += 1) {
          pixels.data[place + part] = ramp[step][part] + (share - step) * (ramp[step + 1][part] - ramp[step][part]);
        }
        pixels.data[place + 3] = 255;
      }
    }
    this.image.getContext("2d").putImageData(pixels, 0, 0);
    const total = this.track.live ? COLUMNS : filled;
    context.drawImage(this.image, 0, 0, (filled / total) * width, height);
    this.drawCursor(context, width, height);
  }

  // Stacked to one at every moment: a class is as tall as it is probable.
  drawCurve({ context, width, height }) {
    const tall = height - AXIS;
    context.fillStyle = colour("--well");
    context.fillRect(0, 0, width, tall);
    for (const known of this.runs()) {
      const floor = new Float64Array(known.length);
      this.colours.forEach((paint, index) => {
        context.beginPath();
        known.forEach(({ time, values }, number) => {
          context.lineTo(this.place(time, width), tall * (1 - floor[number] - values[index]));
        });
        for (let number = known.length - 1; number >= 0; number -= 1) {
          context.lineTo(this.place(known[number].time, width), tall * (1 - floor[number]));
          floor[number] += known[number].values[index];
        }
        context.fillStyle = paint;
        context.fill();
        context.strokeStyle = colour("--surface");
        context.lineWidth = 1;
        context.stroke();
      });
    }
    if (this.track) this.drawAxis(context, width, tall);
    this.drawCursor(context, width, tall);
  }

  // Points without a gap between them. The first of a recording begins at its beginning.
  runs() {
    const runs = [[]];
    const points = this.track?.points ?? [];
    points.forEach((point, number) => {
      const last = runs.at(-1);
      if (!point.values) runs.push([]);
      else if (!last.length && number === 0 && !this.track.live) last.push({ ...point, time: 0 }, point);
      else if (!last.length && number) last.push({ ...point, time: points[number - 1].time }, point);
      else last.push(point);
    });
    return runs.filter((run) => run.length);
  }

  drawAxis(context, width, tall) {
    const { start, span } = this.track;
    const step = [0.5, 1, 2, 5, 10, 30, 60, 120, 300].find((seconds) => (seconds / span) * width > 56) ?? 600;
    context.fillStyle = colour("--soft");
    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    for (let time = Math.ceil(start / step) * step; time <= start + span; time += step) {
      const place = this.place(time, width);
      context.fillRect(place, tall, 1, 4);
      const text = clock(time, !this.track.live && span);
      const half = context.measureText(text).width / 2;
      context.fillText(text, Math.min(width - 2 * half, Math.max(0, place - half)), tall + 16);
    }
  }

  drawCursor(context, width, height) {
    const time = this.hover ?? this.cursor;
    if (time === null || !this.track) return;
    context.fillStyle = colour("--ink");
    context.fillRect(this.place(time, width) - 1, 0, 2, height);
  }

  // The same as text for screen readers.
  describe() {
    const { points, start, end, low, high, filled } = this.track;
    const peak = Math.max(...high.subarray(0, filled), ...low.subarray(0, filled).map((value) => -value));
    const length = `${(end - start).toFixed(1)} seconds`;
    this.nodes.waveform.setAttribute("aria-label", `Waveform: ${length}, loudest sample ${peak.toFixed(2)} of 1`);
    this.nodes.mel.setAttribute("aria-label", `Log-mel spectrogram: ${length}, ${BANDS} bands from 20 to 8000 hertz`);
    const parts = [];
    for (const { time, values } of points) {
      const label = values ? this.labels[largest(values)] : "no speech";
      if (parts.at(-1)?.label !== label) parts.push({ label, time });
    }
    const changes = parts.slice(-12).map(({ label, time }, index) => (index ? `${label} from ${clock(time, !this.track.live && end)}` : label));
    this.nodes.curve.setAttribute("aria-label", `Emotion over time: ${changes.join(", then ") || "nothing yet"}`);
  }
}

// `of` is the length of a recording: within a minute, seconds are enough.
export function clock(seconds, of = Infinity) {
  if (of && of < 60) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.floor(seconds / 60);
  const rest = seconds - 60 * whole;
  const text = Number.isInteger(rest) ? String(rest) : rest.toFixed(1);
  return `${whole}:${rest < 10 ? "0" : ""}${text}`;
}
