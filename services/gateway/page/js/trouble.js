// What a person is told when something did not work.

import { t } from "./i18n.js";

const OF_THE_MOMENT = ["network", "unavailable", "exhausted", "deadline_exceeded", "overloaded", "rate_limited"];
const SCOPES = ["read", "write", "admin"];

/** One or two sentences for an ApiError. */
export function explain(error) {
  if (error.code === "missing_scope") return t("error.missing_scope", { scope: scopeIn(error.message) });
  if (!OF_THE_MOMENT.includes(error.code)) return error.message || t("error.title");
  const wait = error.retryAfterS > 1 ? ` ${t("error.wait", { s: error.retryAfterS })}` : "";
  return t(`error.${error.code}`) + wait;
}

const scopeIn = (message) => SCOPES.find((scope) => message.includes(`'${scope}'`)) ?? "";
