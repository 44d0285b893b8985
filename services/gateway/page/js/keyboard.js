// `/` goes to the search box, arrows move through the grid, Esc steps back.

import { byId } from "./dom.js";

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

export function initKeyboard() {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !isTyping(event.target)) {
      event.preventDefault();
      byId("text").select();
      byId("text").focus();
    } else if (event.key === "Escape") {
      stepBack(event.target);
    } else if (event.key in ARROWS) {
      moveInGrid(event);
    }
  });
}

const isTyping = (target) => target.matches?.("input, textarea, [contenteditable]") ?? false;

function stepBack(target) {
  const box = byId("text");
  if (target === box && box.value) box.value = "";
  else if (target === box) box.blur();
  else box.focus();
}

function moveInGrid(event) {
  const cards = [...document.querySelectorAll("#results .open")];
  const from = cards.indexOf(document.activeElement);
  const [right, down] = ARROWS[event.key];
  if (!cards.length || (from < 0 && !(event.target === byId("text") && down === 1))) return;
  event.preventDefault();
  if (from < 0) {
    cards[0].focus();
    return;
  }
  const to = from + right + down * columns(cards);
  if (to < 0 && down) byId("text").focus();
  else cards[Math.max(0, Math.min(cards.length - 1, to))].focus();
}

function columns(cards) {
  const top = cards[0].getBoundingClientRect().top;
  return cards.filter((card) => Math.abs(card.getBoundingClientRect().top - top) < 4).length;
}
