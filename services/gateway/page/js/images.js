// Pictures of items: straight by address, or with the key as a blob (an <img> cannot send a header).

import { hasKey, pictureBlob } from "./api.js";
import { h } from "./dom.js";

// Cutting to 4:3 loses a quarter of a square picture, and of one of 16:9; more than that is too much.
const WHOLE_BELOW = 0.99;
const WHOLE_ABOVE = 1.8;

/** A thumbnail; tall and long pictures are shown whole instead of cut. */
export function thumbnail(item, size, className) {
  const image = h("img", { class: className, alt: "", loading: "lazy", decoding: "async" });
  const ratio = item.media ? item.media.width / item.media.height : 1;
  if (ratio < WHOLE_BELOW || ratio > WHOLE_ABOVE) image.classList.add("whole");
  image.addEventListener("load", () => image.classList.add("loaded"));
  load(image, item, size);
  return image;
}

function load(image, item, size) {
  if (!hasKey()) {
    image.src = `${item.image_url}?size=${size}`;
    return;
  }
  pictureBlob(item, size).then(
    (blob) => {
      const address = URL.createObjectURL(blob);
      image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
      image.src = address;
    },
    () => {},
  );
}
