// The microphone as chunks of 100 ms at 16 kHz, as it is: what a browser does to make speech pleasant, no model was trained on.

import { RATE } from "./plan.js";

export class Microphone {
  static async open(onChunk, onEnd) {
    if (!navigator.mediaDevices) throw Object.assign(new Error(), { name: "NotSupportedError" });
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const microphone = new Microphone();
    microphone.stream = stream;
    try {
      microphone.context = new AudioContext({ sampleRate: RATE });
      await microphone.context.audioWorklet.addModule(new URL("./recorder-worklet.js", import.meta.url));
      const recorder = new AudioWorkletNode(microphone.context, "recorder", { numberOfOutputs: 0 });
      recorder.port.onmessage = ({ data }) => onChunk(data);
      microphone.context.createMediaStreamSource(stream).connect(recorder);
      stream.getTracks().forEach((track) => track.addEventListener("ended", onEnd));
      await microphone.context.resume();
    } catch (error) {
      microphone.close();
      throw error;
    }
    return microphone;
  }

  close() {
    this.stream.getTracks().forEach((track) => track.stop());
    this.context?.close();
  }
}
