// Why: the verdict, the cells of the table that made it, the variants, the concepts with their evidence.

import { capitalised, el } from "./dom.js";

const NO_CRITERIA = {
  "not-a-rated-procedure": "The table of this guideline has no row for the study.",
  "no-low-back-pain-indication": "No reason of the order says low back pain.",
  "out-of-scope-indication": "The indication belongs to another guideline of the ACR.",
  "no-variant": "None of the seven scenarios holds or may hold.",
  "subject-mismatch": "The order is for somebody other than the patient of the call.",
  "conflicting-codes": "The codes of the order contradict one another.",
  "unreadable-order": "The order cannot be read with certainty.",
  status: "The order is no draft, or says that the study is not to be done.",
};
const MARKS = { present: "●", unknown: "?", absent: "○" };
const SYMBOLS = { "usually-appropriate": "✓", "usually-not-appropriate": "✕" };
const STANDING = { established: "holds", possible: "may hold" };

const words = (choices, category) => choices.categories.find((each) => each.id === category)?.words ?? category;
const short = (choices, concept) => choices.concepts.find((each) => each.id === concept)?.short ?? concept;

function chip(choices, category) {
  return el("span", { className: "chip", data: { category } }, words(choices, category));
}

/** The verdict in one sentence, as text. */
export function verdictWords(choices, order) {
  const verdict = order.verdict;
  switch (verdict.verdict) {
    case "rated":
      return `Rated ${words(choices, verdict.category)}.`;
    case "undetermined":
      return `Undetermined: from ${verdict.floor ? words(choices, verdict.floor) : "no floor"} to ${words(choices, verdict.ceiling)}.`;
    case "not-judged":
      return `Not judged. ${NO_CRITERIA[verdict.reason] ?? ""}`;
    default:
      return `No criteria apply. ${NO_CRITERIA[verdict.reason] ?? ""}`;
  }
}

export function drawWhy(choices, explanation) {
  if (!explanation.orders.length) {
    return [el("p", { className: "verdict" }, "No draft is a lumbar study that is to be judged.")];
  }
  return [
    ...explanation.orders.flatMap((order) => drawOrder(choices, order, explanation.decisive_variant)),
    ...drawChart(explanation.chart),
  ];
}

function drawOrder(choices, order, decisive) {
  return [
    drawVerdict(choices, order),
    ...(order.cells ? [el("h3", {}, "In the table"), drawTable(choices, order, decisive)] : []),
    ...(order.variants ? [el("h3", {}, "Scenarios"), drawVariants(choices, order)] : []),
    ...(order.concepts ? drawConcepts(order) : []),
  ];
}

function drawVerdict(choices, order) {
  const verdict = order.verdict;
  if (verdict.verdict === "rated") {
    return el("p", { className: "verdict" }, chip(choices, verdict.category), " Settled: the floor and the ceiling are the same.");
  }
  if (verdict.verdict === "undetermined") {
    const settle = (verdict.missing ?? []).map((concept) => short(choices, concept)).join(", ");
    const floor = verdict.floor ? chip(choices, verdict.floor) : "no scenario that holds";
    return el(
      "div",
      {},
      el("p", { className: "verdict" }, "Between ", floor, " (floor) and ", chip(choices, verdict.ceiling), " (ceiling)."),
      el("p", {}, `What would settle it: ${settle}.`),
    );
  }
  return el("p", { className: "verdict" }, verdictWords(choices, order));
}

function drawTable(choices, order, decisive) {
  const lit = new Map(order.cells.map((cell) => [`${cell.procedure} ${cell.variant}`, cell]));
  const standing = new Map((order.variants ?? []).map((each) => [each.variant, each.standing]));
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "Study"),
    ...choices.variants.map((variant) =>
      el("th", { scope: "col" }, el("a", { href: `guideline#variant-${variant.number}`, title: variant.title }, `V${variant.number}`)),
    ),
  );
  const rows = choices.procedures.map((procedure) => {
    const ordered = (order.procedures ?? []).includes(procedure.id);
    const cells = choices.variants.map((variant) => {
      const cell = lit.get(`${procedure.id} ${variant.number}`);
      const category = variant.ratings[procedure.id];
      const named = choices.categories.find((each) => each.id === category);
      const word = [
        el("span", { className: "word" }, named.short),
        el("span", { className: "symbol", "aria-hidden": "true" }, SYMBOLS[category] ?? "~"),
      ];
      if (!cell) return el("td", { data: { category }, title: `V${variant.number}: ${named.words}` }, ...word);
      const how = cell.decides ? STANDING[standing.get(variant.number)] : `variant ${decisive} alone rates`;
      return el(
        "td",
        { data: { category, lit: cell.decides ? standing.get(variant.number) : "aside" }, title: `V${variant.number}: ${named.words}, ${how}; ${cell.locator}` },
        ...word,
        el("span", { className: "hidden" }, `, ${how}`),
      );
    });
    return el("tr", {}, el("th", { scope: "row", data: ordered ? { ordered: "" } : {} }, procedure.short), ...cells);
  });
  const sources = order.cells
    .filter((cell) => cell.decides)
    .map((cell) => el("li", {}, `${cell.locator} (read in: ${cell.sources.join(", ")})`));
  return el(
    "div",
    { className: "lit-frame" },
    el("table", { className: "lit", "aria-label": "The table, with the cells that decide lit up" }, el("thead", {}, head), el("tbody", {}, ...rows)),
    el(
      "p",
      { className: "muted" },
      el("span", { className: "word" }, "Usually, may be (* the panel disagreed), or usually not appropriate. "),
      el("span", { className: "symbol" }, "✓ usually, ~ may be, ✕ usually not appropriate. "),
      "Solid frame: the scenario holds. Dashed: it may hold.",
    ),
    el("details", {}, el("summary", {}, "Where these ratings stand"), el("ul", {}, ...sources)),
  );
}

function drawVariants(choices, order) {
  const open = order.variants.filter((each) => each.standing !== "ruled-out");
  const out = order.variants.filter((each) => each.standing === "ruled-out").map((each) => each.variant);
  const items = open.map((each) => {
    const because = each.because?.map((concept) => short(choices, concept)).join(", ");
    const missing = each.missing?.map((concept) => short(choices, concept)).join(", ");
    return el(
      "li",
      { data: { standing: each.standing } },
      el("a", { href: `guideline#variant-${each.variant}` }, `Variant ${each.variant}`),
      ` ${STANDING[each.standing]}: ${each.scenario_name ?? choices.variants.find((variant) => variant.number === each.variant).short}`,
      because && el("small", {}, `Because of ${because}.`),
      missing && el("small", {}, `Open: ${missing}.`),
    );
  });
  if (out.length) items.push(el("li", {}, `Ruled out: ${out.map((number) => `variant ${number}`).join(", ")}.`));
  return el("ul", { className: "variants" }, ...items);
}

function drawConcepts(order) {
  const shown = (presence) => order.concepts.filter((each) => each.presence === presence && !(each.note && presence !== "present"));
  const absent = shown("absent");
  return [
    el("h3", {}, "What was found"),
    el("ul", { className: "facts" }, ...[...shown("present"), ...shown("unknown")].map(drawConcept)),
    absent.length &&
      el("details", {}, el("summary", {}, `${absent.length} things are absent`), el("ul", { className: "facts" }, ...absent.map(drawConcept))),
  ].filter(Boolean);
}

function drawConcept(concept) {
  const value = concept.value ? ` (${concept.value.replaceAll("-", " ")})` : "";
  const silence = concept.by_silence ? ", by silence where it was searched" : "";
  const evidence = (concept.evidence ?? []).map((each) =>
    el("small", {}, [each.label, each.code, each.dated, each.how, each.reference].filter(Boolean).join(" · ")),
  );
  return el(
    "li",
    { data: { presence: concept.presence } },
    el("span", { className: "mark", "aria-hidden": "true" }, MARKS[concept.presence]),
    el(
      "div",
      {},
      `${capitalised(concept.label)}: ${concept.note ? "a note, " : ""}${concept.presence}${value}${silence}`,
      ...evidence,
      concept.unseen && el("small", {}, `Not sent in full: ${concept.unseen.join(", ")}`),
    ),
  );
}

function drawChart(chart) {
  const entries = (chart.entries ?? []).map((entry) => {
    const codes = entry.codes.map((each) => each.code).join(", ");
    const dates = Object.entries(entry.dates ?? {}).map(([name, day]) => `${name} ${day}`);
    return el("li", {}, el("span", {}, "·"), el("div", {}, entry.text || codes, el("small", {}, [entry.reference, codes, entry.certainty, entry.standing, ...dates].join(" · "))));
  });
  const gaps = (chart.gaps ?? []).map((gap) =>
    el("li", { data: { presence: "unknown" } }, el("span", { className: "mark", "aria-hidden": "true" }, "?"), el("div", {}, `Not read: ${gap.reference}`, el("small", {}, gap.why))),
  );
  return [
    el("h3", {}, "The chart as it was read"),
    el("p", { className: "muted" }, `Sent in full: ${(chart.delivered ?? []).join(", ") || "nothing"}.`),
    el("ul", { className: "facts" }, ...gaps, ...entries),
  ];
}
