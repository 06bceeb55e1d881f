// The model, away from the page: however long it takes, the page stays alive.

import * as ort from "../vendor/ort.wasm.bundle.min.mjs";
import { columns } from "./mel.js";
import { isSpeech } from "./speech.js";

let session = null;
let gate = false;

const tasks = {
  async load({ classes, speechGate }) {
    ort.env.logLevel = "error";
    // One is fastest: a window takes milliseconds, and handing parts of it to other threads takes as long.
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = { wasm: new URL("../vendor/ort-wasm-simd-threaded.wasm", import.meta.url).href };
    const response = await fetch(new URL("../model.onnx", import.meta.url));
    if (!response.ok) throw new Error(`the server gave status ${response.status}`);
    const model = new Uint8Array(await response.arrayBuffer());
    session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], logSeverityLevel: 3 });
    // Once in vain: the first window would pay for memory and for compiling.
    const { probabilities } = await tasks.predict({ samples: Float32Array.from({ length: 48000 }, (_, place) => Math.sin(place) / 9) });
    if (probabilities.length !== classes) throw new Error(`it has ${probabilities.length} classes and ${classes} names`);
    gate = speechGate;
    return {};
  },

  async predict({ samples }) {
    const start = performance.now();
    if (gate && !isSpeech(samples)) return { probabilities: null, milliseconds: performance.now() - start };
    const waveform = new ort.Tensor("float32", samples, [1, samples.length]);
    const { probabilities } = await session.run({ waveform }, ["probabilities"]);
    const result = { probabilities: probabilities.data.slice(), milliseconds: performance.now() - start };
    if (!result.probabilities.every(Number.isFinite)) throw new Error("it gave no numbers");
    return result;
  },

  async picture({ samples, count }) {
    return columns(samples, count);
  },
};

self.onmessage = async ({ data: { id, task, ...input } }) => {
  try {
    self.postMessage({ id, result: await tasks[task](input) });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
