// Builds elements. Text only ever goes in as text nodes: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  picture: ["M4 5h16v14H4z", "M4 16l5-5 4 4 3-3 4 4", "M15.5 9.2a1.2 1.2 0 1 0 0 .1"],
  files: ["M8 3h7l4 4v10H8z", "M15 3v4h4", "M5 7v14h10"],
  arrow: ["M12 19V5", "M6 11l6-6 6 6"],
  plus: ["M12 5v14", "M5 12h14"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  search: ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14z", "M16 16l4.5 4.5"],
  contrast: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", "M12 3v18", "M12 7h5.5", "M12 12h8.5", "M12 17h5.5"],
  similar: ["M4 4h10v10H4z", "M10 10h10v10H10z"],
};

/** An element with attributes, listeners (`onclick: fn`) and children (nodes, strings; null is left out). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A line icon, hidden from assistive technology. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const look = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "1.7" };
  for (const [key, value] of Object.entries({ ...look, "stroke-linecap": "round", "stroke-linejoin": "round" })) {
    svg.setAttribute(key, value);
  }
  svg.setAttribute("aria-hidden", "true");
  for (const d of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return h("span", { class: "icon" }, svg);
}

export const byId = (id) => document.getElementById(id);

/** `text` as nodes, with every occurrence of `words` marked. */
export function highlighted(text, words) {
  const usable = words.filter((word) => word.trim()).sort((a, b) => b.length - a.length);
  if (!usable.length) return [text];
  const pattern = new RegExp(`(${usable.map(wordPattern).join("|")})`, "giu");
  return text.split(pattern).map((part, index) => (index % 2 ? h("mark", {}, part) : part));
}

/** At most `length` characters of `text`, around the first of `words` that stands in it. */
export function excerpt(text, words, length) {
  if (text.length <= length) return text;
  const [before] = highlighted(text, words);
  const at = typeof before === "string" && before.length < text.length ? before.length : 0;
  const start = Math.max(0, Math.min(at - Math.floor(length / 4), text.length - length));
  return `${start ? "…" : ""}${text.slice(start, start + length)}${start + length < text.length ? "…" : ""}`;
}

/** Latin words and numbers match whole; Chinese has no gaps between words and matches anywhere. */
function wordPattern(word) {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&");
  return /^[\p{Script=Latin}\p{N}]/u.test(word) ? `(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])` : escaped;
}
