// Files dragged over the page: search with one, or add many.

import { addFiles } from "./add.js";
import { searchWith } from "./composer.js";
import { byId } from "./dom.js";
import { filesOf } from "./dropped_files.js";

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
    const zone = zoneOf(event.target);
    filesOf(event.dataTransfer).then((files) => take(zone, files));
  });
}

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
const adding = () => byId("add-dialog").open;
const zoneOf = (target) => (adding() ? "add" : (target.closest?.(".drop-zone")?.dataset.zone ?? ""));

function take(zone, files) {
  if (!files.length) return;
  const [{ file }] = files;
  // What cannot be searched with is meant to be added, wherever it was dropped.
  if (zone !== "add" && files.length === 1 && file.type.startsWith("image/")) searchWith(file);
  else if (zone === "search" && file.type.startsWith("image/")) searchWith(file);
  else addFiles(files);
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
