// Draws the reference from /openapi.json.

import { byId, h } from "./dom.js";

const METHODS = ["get", "post", "put", "delete", "head"];

async function start() {
  const spec = await (await fetch("/openapi.json")).json();
  const groups = new Map();
  for (const [path, operations] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((name) => name in operations)) {
      const tag = operations[method].tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), operation(spec, path, method, operations[method])]);
    }
  }
  byId("docs").append(
    h("p", { class: "intro" }, spec.info.summary ?? "", " Errors are application/problem+json. Version ", spec.info.version, "."),
    ...[...groups].flatMap(([tag, entries]) => [h("h2", {}, tag), ...entries]),
  );
}

function operation(spec, path, method, described) {
  const lines = (described.description ?? "").split("\n");
  return h(
    "details",
    { class: "operation" },
    h(
      "summary",
      {},
      h("span", { class: "method" }, method.toUpperCase()),
      h("span", { class: "path" }, path),
      h("span", { class: "summary" }, lines[0]),
    ),
    h(
      "div",
      { class: "inside" },
      lines.length > 1 ? h("p", {}, lines.slice(1).join("\n").trim()) : null,
      parameters(described.parameters ?? []),
      body(spec, described.requestBody),
      answers(spec, described.responses),
    ),
  );
}

function parameters(list) {
  if (!list.length) return null;
  const rows = list.map(({ name, in: place, schema, description }) => [name, `${place} · ${typeOf(schema)}`, description ?? ""]);
  return [h("h3", {}, "Parameters"), table(rows)];
}

function body(spec, described) {
  if (!described) return null;
  return Object.entries(described.content).flatMap(([type, { schema }]) => {
    const { properties = {}, examples = [] } = resolve(spec, schema);
    const rows = Object.entries(properties).map(([name, field]) => [name, typeOf(field), field.description ?? ""]);
    return [h("h3", {}, `Body: ${type}`), rows.length ? table(rows) : null, ...examples.map(code)];
  });
}

function answers(spec, responses) {
  return Object.entries(responses).flatMap(([status, { description, content = {} }]) => {
    const schema = resolve(spec, content["application/json"]?.schema ?? {});
    const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => [name, typeOf(field), field.description ?? ""]);
    return [h("h3", {}, `${status}: ${description}`), rows.length ? table(rows) : null, ...(schema.examples ?? []).map(code)];
  });
}

const code = (example) => h("pre", {}, JSON.stringify(example, null, 2));
const table = (rows) => h("table", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell)))));
const resolve = (spec, schema) => (schema.$ref ? spec.components.schemas[schema.$ref.split("/").at(-1)] : schema);

function typeOf(schema = {}) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  return schema.enum?.join(" | ") ?? schema.const ?? schema.type ?? "any";
}

start();
