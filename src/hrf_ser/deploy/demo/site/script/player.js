// Plays a recording again and moves the line in the pictures; the line can be moved with pointer and keys, too. Where the mouse
// hovers, the probabilities of that moment are read.

import { percent } from "./prediction.js";
import { clock } from "./pictures.js";
import { largest, RATE } from "./plan.js";

export class Player {
  recording = null;
  source = null;

  constructor(nodes, pictures, readout, labels) {
    Object.assign(this, { nodes, pictures, readout, labels });
    nodes.play.addEventListener("click", () => (this.source ? this.pause() : this.play()));
    nodes.position.addEventListener("input", () => {
      this.pause();
      this.move(Number(nodes.position.value));
    });
    for (const canvas of [nodes.waveform, nodes.mel, nodes.curve]) {
      const time = (event) => {
        const box = canvas.getBoundingClientRect();
        return pictures.time((event.clientX - box.left) / box.width);
      };
      canvas.addEventListener("pointerdown", (event) => {
        if (!this.recording) return;
        this.pause();
        this.move(time(event));
      });
      canvas.addEventListener("pointermove", (event) => {
        if (pictures.track && event.pointerType === "mouse") this.read((pictures.hover = time(event)));
      });
      canvas.addEventListener("pointerleave", () => {
        pictures.hover = null;
        this.read(pictures.cursor);
      });
    }
  }

  open(recording) {
    this.pause();
    this.recording = recording;
    this.nodes.player.hidden = this.nodes.play.hidden = !recording;
    this.pictures.hover = null;
    this.nodes.at.textContent = "";
    this.readout.show(null);
    if (!recording) return;
    this.nodes.position.max = recording.seconds;
    this.nodes.position.value = 0;
  }

  move(time) {
    this.nodes.position.value = time;
    this.pictures.cursor = time;
    const text = this.read(time);
    this.nodes.position.setAttribute("aria-valuetext", `${time.toFixed(1)} seconds, ${text}`);
  }

  // Shows the probabilities at a moment, null for none, and gives the largest of them as text.
  read(time) {
    const { nodes, pictures, readout, labels } = this;
    const point = time === null ? null : pictures.track?.at(time);
    const values = point?.values ?? null;
    const best = values && largest(values);
    const text = values ? `${labels[best]} ${percent(values[best])}` : "no speech";
    readout.show(values);
    nodes.at.textContent = point ? `at ${clock(Math.round(time * 10) / 10, pictures.length)}: ${text}` : "";
    pictures.draw();
    return text;
  }

  play() {
    const { nodes, recording } = this;
    const context = new AudioContext();
    const buffer = context.createBuffer(1, recording.samples.length, RATE);
    buffer.copyToChannel(recording.samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    const place = Number(nodes.position.value);
    const from = place < recording.seconds - 0.05 ? place : 0;
    const begun = context.currentTime;
    source.start(0, from);
    Object.assign(this, { source, context });
    nodes.play.textContent = "Pause";
    const follow = () => {
      if (this.source !== source) return;
      const time = Math.min(recording.seconds, from + context.currentTime - begun);
      this.move(time);
      if (time < recording.seconds) requestAnimationFrame(follow);
      else this.pause();
    };
    requestAnimationFrame(follow);
  }

  pause() {
    if (!this.source) return;
    this.source.stop();
    this.context.close();
    this.source = null;
    this.nodes.play.textContent = "Play";
  }
}
