// A colour for every class: the usual one where its name is known, else one that is free. Names stand beside them everywhere.

const KNOWN = {
  neutral: "#8b95a1", calm: "#2a9d8f", happy: "#e3a82b", happiness: "#e3a82b", joy: "#e3a82b", sad: "#3f7fc1", sadness: "#3f7fc1",
  angry: "#d1495b", anger: "#d1495b", fearful: "#7d5ba6", fear: "#7d5ba6", disgust: "#74953a", surprised: "#df73a2",
  surprise: "#df73a2", excited: "#ec8143", bored: "#6b7fa3", boredom: "#6b7fa3", frustrated: "#a4603b",
};
const FREE = ["#3f7fc1", "#d1495b", "#2a9d8f", "#e3a82b", "#7d5ba6", "#74953a", "#df73a2", "#ec8143", "#8b95a1", "#a4603b", "#6b7fa3"];

export function coloursOf(labels) {
  const taken = labels.map((label) => (Object.hasOwn(KNOWN, label.toLowerCase()) ? KNOWN[label.toLowerCase()] : null));
  const free = FREE.filter((colour) => !taken.includes(colour));
  let next = 0;
  return taken.map((colour) => colour ?? (free.length ? free : FREE)[next++ % (free.length || FREE.length)]);
}
