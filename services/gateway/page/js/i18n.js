// The page's language: chosen by the person, else the browser's.

import { STRINGS } from "./strings.js";

const KEPT = "imagerag.language";
let language = initialLanguage();
const listeners = [];

function initialLanguage() {
  const kept = localStorage.getItem(KEPT);
  if (kept in STRINGS) return kept;
  const wanted = navigator.languages ?? [navigator.language];
  const known = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in STRINGS);
  return known ?? "en";
}

export const currentLanguage = () => language;

/** The sentence `key`; sentences with parts get them from `parts`. */
export function t(key, parts = {}) {
  const sentence = STRINGS[language][key] ?? STRINGS.en[key] ?? key;
  return typeof sentence === "function" ? sentence(parts) : sentence;
}

export const number = (value, options = {}) => new Intl.NumberFormat(language, options).format(value);
export const percent = (share) => number(share, { style: "percent" });
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** A number of bytes, e.g. "1.2 GB". */
export function bytes(count) {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return number(count / 1000 ** step, { style: "unit", unit: UNITS[step], unitDisplay: "short", maximumFractionDigits: step > 1 ? 1 : 0 });
}

/** Seconds as a clock shows them, e.g. "3:20". */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export const dateTime = (iso) =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));

export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem(KEPT, language);
  translatePage();
  for (const listener of listeners) listener();
}

export const onLanguage = (listener) => listeners.push(listener);

/** Fill what the HTML marks with `data-i18n` (text) and `data-i18n-label` (name for assistive technology). */
export function translatePage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", t(element.dataset.i18nLabel));
    if (element.tagName === "BUTTON") element.title = t(element.dataset.i18nLabel);
  }
}
