// The page: loads the model, and starts and ends sessions.

import { describeModel } from "./about.js";
import { PredictionView } from "./prediction.js";
import { coloursOf } from "./colours.js";
import { decode } from "./decode.js";
import { Meters } from "./meters.js";
import { Microphone } from "./microphone.js";
import { Model } from "./model.js";
import { Level } from "./level.js";
import { keepForOffline } from "./offline.js";
import { Pictures } from "./pictures.js";
import { Plan } from "./plan.js";
import { Player } from "./player.js";
import { aboutMicrophone, noMicrophone, Problem } from "./problems.js";
import { Readout } from "./readout.js";
import { syntheticSound } from "./sample.js";
import { Listening, Recording } from "./session.js";
import { download, table } from "./table.js";

const NAMES = [
  "microphone", "file", "sample", "status", "problem", "headline", "word", "probability", "under", "bars", "spoken", "waveform", "mel", "curve", "at", "player", "level", "readout", "csv",
  "play", "position", "latency", "factor", "windows", "size", "quantisation", "is", "card", "offline", "drop",
];
const nodes = Object.fromEntries(NAMES.map((name) => [name, document.getElementById(name)]));
nodes.isNot = document.getElementById("is-not");
nodes.modelLine = document.getElementById("model-line");
nodes.noMicrophone = document.getElementById("no-microphone");
nodes.planNote = document.getElementById("plan-note");

const page = { progress: (share) => setStatus(`Processing ${Math.round(100 * share)} % …`) };
let session = null;
let microphone = null;

function setStatus(text) {
  nodes.status.textContent = text;
}

function complain(error) {
  nodes.problem.textContent = error instanceof Problem ? error.message : `Something failed that should not: ${error.message ?? error}`;
  nodes.problem.hidden = false;
  document.body.dataset.state = "problem";
}

function begin(state) {
  session?.stop();
  closeMicrophone();
  page.player.open(null);
  nodes.csv.hidden = true;
  page.pictures.show(null);
  page.meters.reset();
  nodes.problem.hidden = true;
  document.body.dataset.state = state;
}

async function classifyRecording(name, source) {
  begin("busy");
  page.prediction.clear("…", name);
  setStatus(`Reading ${name} …`);
  const mine = (session = { stop() { this.stopped = true; } });
  try {
    const samples = await source();
    if (mine.stopped) return;
    const recording = (session = new Recording(page, name, samples));
    await recording.run();
    if (recording.stopped) return;
    page.player.open(recording);
    nodes.csv.hidden = false;
    setStatus(`Processed ${name}, ${recording.seconds.toFixed(1)} s.`);
    document.body.dataset.state = "done";
  } catch (error) {
    if (session?.stopped) return;
    page.prediction.clear("–", "No prediction.");
    setStatus("Ready.");
    complain(error);
  }
}

async function listen() {
  if (microphone) {
    const listening = session;
    closeMicrophone();
    listening.finish();
    nodes.csv.hidden = !listening.windows.length;
    setStatus(`Processed the microphone for ${listening.seconds.toFixed(0)} s.`);
    document.body.dataset.state = "done";
    return;
  }
  begin("asking");
  setStatus("Asking for the microphone …");
  page.prediction.clear("…", "Speak: the first prediction comes after a second.");
  const listening = (session = new Listening(page));
  try {
    const opened = await Microphone.open(
      (chunk) => {
        page.level.show(chunk);
        listening.chunk(chunk).catch(complain);
      },
      () => microphone === opened && listen(),
    );
    if (listening.stopped) return opened.close();
    microphone = opened;
    nodes.microphone.querySelector("span").textContent = "Stop";
    page.level.shown = true;
    setStatus("Listening. Nothing is recorded.");
    document.body.dataset.state = "listening";
  } catch (error) {
    if (listening.stopped) return;
    page.prediction.clear("–", "No prediction.");
    setStatus("Ready.");
    complain(new Problem(aboutMicrophone(error)));
  }
}

function closeMicrophone() {
  microphone?.close();
  microphone = null;
  page.level.shown = false;
  nodes.microphone.querySelector("span").textContent = "Listen";
}

function takeFile(file) {
  classifyRecording(file.name || "the recording", () => decode(file));
}

function takeInput() {
  nodes.microphone.addEventListener("click", listen);
  nodes.sample.addEventListener("click", () => classifyRecording("a synthetic sound, which is not speech", async () => syntheticSound()));
  nodes.file.addEventListener("change", () => {
    if (nodes.file.files.length) takeFile(nodes.file.files[0]);
    nodes.file.value = ""; // so that the same file can be chosen again
  });
  nodes.csv.addEventListener("click", () => {
    download(`${session.name.replace(/\.[^.]*$/, "")}.csv`, table(session.name, page.labels, session.windows));
  });
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    nodes.drop.hidden = !holdsFile(event);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) nodes.drop.hidden = true;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    nodes.drop.hidden = true;
    if (event.dataTransfer?.files.length) takeFile(event.dataTransfer.files[0]);
  });
  for (const control of [nodes.file, nodes.sample]) control.disabled = false;
  const reason = noMicrophone();
  nodes.noMicrophone.textContent = reason;
  nodes.noMicrophone.hidden = reason === null;
  nodes.microphone.disabled = reason !== null;
}

async function start() {
  try {
    const facts = await (await fetch(new URL("../model.json", import.meta.url))).json();
    const colours = coloursOf(facts.labels);
    page.plan = new Plan(facts.plan);
    page.labels = facts.labels;
    page.model = new Model();
    page.prediction = new PredictionView(nodes, facts.labels, colours);
    page.pictures = new Pictures(nodes, facts.labels, colours);
    page.meters = new Meters(nodes);
    page.readout = new Readout(nodes.readout, facts.labels, colours);
    page.player = new Player(nodes, page.pictures, page.readout, facts.labels);
    page.level = new Level(nodes.level);
    describeModel(nodes, facts);
    nodes.planNote.textContent = `of ${facts.plan.window} s`;
    await page.model.load(facts.labels.length, facts.speech_gate);
  } catch (error) {
    setStatus("No model.");
    complain(new Problem(`The model cannot be loaded (${error.message}). Reload the page; if that does not help, start the server again.`));
    return;
  }
  takeInput();
  setStatus("Ready.");
  document.body.dataset.state = "ready";
  keepForOffline(nodes.offline);
}

start();
