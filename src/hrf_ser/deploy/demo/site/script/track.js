// What is drawn: columns of sound and points of the curve. Holds the last COLUMNS columns, however long the session is.

import { BANDS } from "./mel.js";

export const COLUMNS = 1200;

export class Track {
  low = new Float32Array(COLUMNS);
  high = new Float32Array(COLUMNS);
  mel = new Float32Array(COLUMNS * BANDS);
  filled = 0;
  start = 0; // seconds at the first column
  points = []; // {time, values}, smoothed posteriors; null without speech

  // `live`: the time axis moves on; else it is the whole recording.
  constructor(columnSeconds, live) {
    this.columnSeconds = columnSeconds;
    this.live = live;
  }

  get span() {
    return this.live ? COLUMNS * this.columnSeconds : this.filled * this.columnSeconds;
  }

  get end() {
    return this.start + this.filled * this.columnSeconds;
  }

  addColumns({ low, high, mel }) {
    const over = Math.max(0, this.filled + low.length - COLUMNS);
    if (over) {
      this.low.copyWithin(0, over);
      this.high.copyWithin(0, over);
      this.mel.copyWithin(0, over * BANDS);
      this.filled -= over;
      this.start += over * this.columnSeconds;
      // One point before the first column stays, so that the curve reaches the edge.
      while (this.points.length > 1 && this.points[1].time < this.start) this.points.shift();
    }
    this.low.set(low, this.filled);
    this.high.set(high, this.filled);
    this.mel.set(mel, this.filled * BANDS);
    this.filled += low.length;
  }

  addPoint(time, values) {
    this.points.push({ time, values });
  }

  // The prediction at a moment: that of the next window's end.
  at(time) {
    return this.points.find((point) => point.time >= time) ?? this.points.at(-1);
  }
}
