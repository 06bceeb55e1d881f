// The page's end of the worker that holds the model.

export class Model {
  waiting = new Map();
  next = 0;

  constructor() {
    this.worker = new Worker(new URL("./inference-worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.settle(data.id, data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      for (const id of [...this.waiting.keys()]) this.settle(id, { error: event.message || "its program cannot be started" });
    };
  }

  load(classes, speechGate) {
    return this.request("load", { classes, speechGate });
  }

  // Probabilities of one window, null without speech, and how long they took.
  predict(samples) {
    return this.request("predict", { samples });
  }

  picture(samples, count) {
    return this.request("picture", { samples, count });
  }

  request(task, input) {
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, ...input });
    });
  }

  settle(id, { result, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  }
}
