// What the model is and is not, from the card that came with it.

import { percent } from "./prediction.js";

// What kind of speech a corpus holds decides what its labels mean.
const SPEECH = {
  ravdess: "speech by 24 actors who played given emotions, two sentences in North American English (RAVDESS)",
  emodb: "speech by 10 actors who played given emotions, ten sentences in German (EmoDB)",
  crema_d: "speech by 91 actors who played given emotions, twelve sentences in English (CREMA-D)",
  iemocap: "dialogues by 10 actors, played from scripts or improvised, in English (IEMOCAP)",
  m3ed: "dialogues of Chinese television series, so played as well (M3ED)",
  daic_woz: "clinical interviews (DAIC-WOZ); its classes are scores of a questionnaire, not what a voice feels",
  demo: "speech that a synthesiser made, with an invented rule for each emotion: it has learnt nothing of people",
};

export function describeModel(nodes, facts) {
  const { card, labels } = facts;
  const speech = typeof card.corpus === "string" && Object.hasOwn(SPEECH, card.corpus) ? SPEECH[card.corpus] : null;
  const trained = speech
    ? `It was trained on ${speech}.`
    : `It was trained on ${text(card.corpus) || "a corpus that its file does not name"}; whether people played their emotions there, the file does not say.`;
  nodes.modelLine.textContent = `${facts.name}, ${kilobytes(facts.bytes)}, ${arithmetic(facts.quantisation)},`;
  nodes.size.textContent = kilobytes(facts.bytes);
  nodes.quantisation.textContent = arithmetic(facts.quantisation);
  nodes.is.replaceChildren(
    ...paragraphs(
      `A classifier (${facts.name}) that gives each of ${labels.length} names a probability, from the sound alone and not from the words.`,
      trained,
      score(card, labels.length),
      card.licence && `Licence of the corpus: ${text(card.licence)}.`,
    ),
  );
  nodes.isNot.replaceChildren(
    ...paragraphs(
      "No window into anybody: it says which played emotion a sound resembles most, not what a person feels. It is no diagnosis and no lie detector, and nothing to judge people by.",
      `${facts.speech_gate ? "It looks for a voice first, and takes singing and some music for one." : "It always names something, in a cough or music too."} Other languages, accents, microphones and rooms than it was trained with make it worse.`,
      "No service: nothing is kept, and this page may talk to the program that it came from and to nothing else; your browser enforces it. That program decodes a file that the browser cannot read; all other sound stays in the browser.",
    ),
  );
  nodes.card.replaceChildren(...entries({ model: facts.name, quantisation: facts.quantisation, classes: labels, ...card, sha256: facts.sha256 }));
}

function score(card, classes) {
  const ua = card.test?.ua;
  if (typeof ua !== "number") return null;
  if (card.leaks?.length) return "It errs often. How often with speakers that were not in training, its file does not say: its scores are of speakers that were.";
  const warning = card.protocol === "test_oracle" ? "That number is too good: its checkpoint was selected on the same speakers." : null;
  const recall = `It errs often: of each emotion of speakers that were not in training, it recognised ${percent(ua)} on average; guessing gives ${percent(1 / classes)}.`;
  return [recall, warning].filter(Boolean).join(" ");
}

function* entries(content, prefix = "") {
  for (const [key, value] of Object.entries(content).slice(0, 60)) {
    if (value && typeof value === "object" && !Array.isArray(value) && prefix.length < 60) yield* entries(value, `${prefix}${key} `);
    else {
      const row = document.createElement("div");
      const [name, content] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = prefix + (prefix ? key : key.replaceAll("_", " "));
      content.textContent = text(value);
      row.append(name, content);
      yield row;
    }
  }
}

function paragraphs(...texts) {
  return texts.filter(Boolean).map((content) => {
    const node = document.createElement("p");
    node.textContent = content;
    return node;
  });
}

function text(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  if (typeof value === "number" && value >= 1e4) return value.toLocaleString("en");
  if (Array.isArray(value)) return value.map(text).join(", ");
  return value === null || value === undefined ? "" : String(value);
}

export function kilobytes(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)}\u00a0kB` : `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
}

function arithmetic(quantisation) {
  return quantisation === "none" ? "float32" : quantisation;
}
