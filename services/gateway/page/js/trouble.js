// What a person is told when something did not work.

import { t } from "./i18n.js";

const OF_THE_MOMENT = ["network", "unavailable", "exhausted", "deadline_exceeded"];

/** One or two sentences for an ApiError. */
export function explain(error) {
  return OF_THE_MOMENT.includes(error.code) ? t(`error.${error.code}`) : error.message || t("error.title");
}
