// Plays a recording again and moves the line in the pictures; the line can be moved with pointer and keys, too.

import { percent } from "./prediction.js";
import { clock } from "./pictures.js";
import { largest, RATE } from "./plan.js";

export class Player {
  recording = null;
  source = null;

  constructor(nodes, pictures, labels) {
    Object.assign(this, { nodes, pictures, labels });
    nodes.play.addEventListener("click", () => (this.source ? this.pause() : this.play()));
    nodes.position.addEventListener("input", () => {
      this.pause();
      this.move(Number(nodes.position.value));
    });
    for (const canvas of [nodes.waveform, nodes.mel, nodes.curve]) {
      canvas.addEventListener("pointerdown", (event) => {
        if (!this.recording) return;
        const box = canvas.getBoundingClientRect();
        this.pause();
        this.move(((event.clientX - box.left) / box.width) * this.recording.seconds);
      });
    }
  }

  open(recording) {
    this.pause();
    this.recording = recording;
    this.nodes.player.hidden = !recording;
    this.nodes.at.textContent = "";
    if (!recording) return;
    this.nodes.position.max = recording.seconds;
    this.nodes.position.value = 0;
  }

  move(time) {
    const { nodes, pictures, recording } = this;
    nodes.position.value = time;
    pictures.cursor = time;
    const point = recording.track.at(time);
    if (point) {
      const best = largest(point.values);
      const text = `${this.labels[best]} ${percent(point.values[best])}`;
      nodes.at.textContent = `at ${clock(Math.round(time * 10) / 10, recording.seconds)}: ${text}`;
      nodes.position.setAttribute("aria-valuetext", `${time.toFixed(1)} seconds, ${text}`);
    }
    pictures.draw();
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
