// Files dragged over the page: search with one, or add many.

import { addFiles } from "./add.js";
import { searchWith } from "./composer.js";
import { byId } from "./dom.js";

let depth = 0;

export function initDrop() {
  const overlay = byId("drop-overlay");
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    overlay.hidden = adding();
  });
  document.addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && --depth <= 0) hide(overlay);
  });
  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(event.target);
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    hide(overlay);
    take(zoneOf(event.target), [...event.dataTransfer.files]);
  });
}

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
const adding = () => byId("add-dialog").open;
const zoneOf = (target) => (adding() ? "add" : (target.closest?.(".drop-zone")?.dataset.zone ?? ""));

function take(zone, files) {
  if (!files.length) return;
  if (zone === "add" || (zone === "" && files.length > 1)) addFiles(files);
  else searchWith(files[0]);
}

function mark(target) {
  const zones = [...document.querySelectorAll(".drop-zone, .drop-area")];
  for (const zone of zones) zone.classList.toggle("over", zone.contains(target));
}

function hide(overlay) {
  depth = 0;
  overlay.hidden = true;
  mark(document);
}
