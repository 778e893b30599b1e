// Codes found: which concept each speaks of, and what it does.

import { capitalised, el } from "./dom.js";

const DOES = {
  decides: "decides",
  supports: "supports, never alone",
  excluded: "excluded",
  orders: "orders a study",
};

export function codesAddress(words, concept, limit = 20) {
  return `guideline/codes?${new URLSearchParams({ q: words, concept, limit })}`;
}

/** How many codes answer a search, in words. */
export function counted(found, words) {
  if (found.total === 0) {
    return words ? "None of our lists holds it: a code of a known system that is read, and says nothing." : "";
  }
  const shown = found.codes.length;
  return shown < found.total ? `${shown} of ${found.total} codes` : `${shown} ${shown === 1 ? "code" : "codes"}`;
}

/** One code as a line; a button where `choose` is given. */
export function hit(code, choose) {
  const about = code.concepts.length
    ? code.concepts.map((concept) => capitalised(concept.label)).join("; ")
    : code.procedures.length
      ? `Orders ${code.procedures.join(", or ")}`
      : code.list;
  const lines = [
    el("span", {}, el("code", {}, code.code), ` ${code.display}${code.below ? ", and every code below it" : ""}`),
    el("span", { className: "does", data: { does: code.does } }, DOES[code.does]),
    el("small", {}, `${about} · ${code.systemName} · list: ${code.list}`),
  ];
  return choose
    ? el("button", { type: "button", className: "hit", onclick: () => choose(code) }, ...lines)
    : el("div", { className: "hit" }, ...lines);
}
