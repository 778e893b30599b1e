// Changing the patient: what the chart holds, a finding more or less, another date, a part held back.

import { byId, capitalised, el, fill, getJson, rested, today } from "./dom.js";
import { codesAddress, counted, hit } from "./hits.js";
import { dateElement, named } from "./session.js";

const daysAgo = (days) => new Date(Date.parse(today()) - days * 86400000).toISOString().slice(0, 10);

/** The editable chart of a session; `changed` is called after each change. */
export function drawEditor(session, choices, changed) {
  drawEntries(session, changed);
  drawParts(session, choices, changed);
}

function dateInput(label, value, set) {
  return el("input", {
    type: "date",
    value: (value ?? "").slice(0, 10),
    "aria-label": label,
    onchange: (event) => set(event.target.value),
  });
}

function line(text, small, date, remove) {
  const taken = remove && el("button", { type: "button", className: "plain", "aria-label": `Remove ${text}`, onclick: remove }, "Remove");
  return el("div", { className: "entry" }, el("div", {}, text, small && el("small", {}, small)), date ?? el("span"), taken ?? el("span"));
}

function drawEntries(session, changed) {
  const lines = [];
  const patient = session.patient;
  if (patient) {
    const set = (value) => {
      if (value) patient.birthDate = value;
      else delete patient.birthDate;
      changed("Birth date changed.");
    };
    lines.push(line("Birth date", "Patient", dateInput("Birth date", patient.birthDate, set)));
  }
  for (const draft of session.drafts.slice(0, 1)) {
    for (const [number, reason] of (draft.reasonCode ?? []).entries()) {
      lines.push(
        line(named(reason), "Reason of the order", null, () => {
          draft.reasonCode.splice(number, 1);
          if (!draft.reasonCode.length) delete draft.reasonCode;
          changed(`${named(reason)} removed from the order.`);
        }),
      );
    }
  }
  for (const [resource, remove] of session.chart()) {
    const text = named(resource.code ?? resource.medicationCodeableConcept);
    const element = dateElement(resource);
    const set = (value) => {
      if (value) resource[element] = value;
      else delete resource[element];
      changed(`${text}: date changed.`);
    };
    lines.push(
      line(text, facts(resource), dateInput(`Date of ${text}`, resource[element], set), () => {
        remove();
        changed(`${text} removed.`);
      }),
    );
  }
  fill(byId("chart"), ...lines);
}

function facts(resource) {
  const coding = (resource.code ?? resource.medicationCodeableConcept)?.coding?.[0];
  const verification = resource.verificationStatus?.coding?.[0]?.code;
  const clinical = resource.clinicalStatus?.coding?.[0]?.code;
  const quantity = resource.valueQuantity;
  const measured = quantity && `${quantity.value} ${quantity.unit ?? ""}`;
  const states = [verification, clinical].filter((state) => state && !["confirmed", "active"].includes(state));
  return [resource.resourceType, coding?.code ?? "no code", measured, ...states].filter(Boolean).join(" · ");
}

function drawParts(session, choices, changed) {
  const boxes = Object.entries(choices.keys).map(([key, words]) =>
    el(
      "label",
      {},
      el("input", {
        type: "checkbox",
        checked: key in session.prefetch,
        value: key,
        onchange: (event) => {
          if (event.target.checked) session.send(key);
          else session.hold(key);
          changed(`${capitalised(words)} ${event.target.checked ? "sent" : "held back"}.`);
        },
      }),
      words,
    ),
  );
  fill(byId("parts"), ...boxes);
}

/** The form that finds a code and adds it; `current` gives the session of the moment. */
export function prepareAdding(choices, current, changed) {
  const concept = byId("add-concept");
  const words = byId("add-words");
  const details = byId("add-details");
  fill(
    concept,
    el("option", { value: "" }, "any"),
    ...choices.concepts.filter((each) => each.id !== "elderly").map((each) => el("option", { value: each.id }, capitalised(each.label))),
  );
  let asked = 0;
  const look = async () => {
    const number = ++asked;
    const query = words.value.trim();
    fill(details);
    if (!query && !concept.value) return fill(byId("add-found"));
    const found = await getJson(codesAddress(query, concept.value, 8));
    if (number !== asked) return;
    const choose = (code) => {
      fill(byId("add-found"));
      fill(details, fields(atQuery(code, query), take));
      details.querySelector("select, input").focus();
    };
    const addable = found.codes.filter((code) => code.resourceType);
    fill(byId("add-found"), el("p", { className: "muted" }, counted(found, query)), ...addable.map((code) => hit(code, choose)));
    return undefined;
  };
  const take = (code, told) => {
    current().add(code, told);
    fill(details);
    fill(byId("add-found"));
    words.value = "";
    concept.value = "";
    changed(`${code.display} added.`);
    words.focus();
  };
  words.addEventListener("input", rested(look));
  concept.addEventListener("change", look);
  byId("add").addEventListener("submit", (event) => event.preventDefault());
}

/** A code typed in full below one that stands for all below it is added as it was typed. */
function atQuery(code, query) {
  const typed = query.toUpperCase();
  const plain = (text) => text.replaceAll(".", "");
  return code.below && plain(typed).startsWith(plain(code.code)) ? { ...code, code: typed } : code;
}

function fields(code, take) {
  const label = (text, control) => el("label", {}, text, control);
  const select = (...options) => el("select", {}, ...options.map(([value, text]) => el("option", { value }, text)));
  const isCondition = code.resourceType === "Condition";
  const where = select(["chart", "in the chart"], ["order", "on the order, as a reason"]);
  const state = select(["confirmed", "confirmed"], ["suspected", "suspected"], ["refuted", "refuted"], ["past", "past"]);
  const date = el("input", { type: "date", value: daysAgo(14) });
  const days = el("input", { type: "number", min: "1", max: "3650" });
  const quantity = code.members?.valueQuantity;
  const value = el("input", { type: "number", step: "any", value: String(quantity?.value ?? "") });
  const add = el(
    "button",
    {
      type: "button",
      onclick: () =>
        take(code, {
          where: isCondition ? where.value : "chart",
          state: state.value,
          date: date.value,
          days: Number(days.value) || undefined,
          value: value.value === "" ? NaN : Number(value.value),
        }),
    },
    "Add to the patient",
  );
  const shown = [
    isCondition && label("Where", where),
    isCondition && label("State", state),
    label("Date", date),
    code.resourceType === "MedicationRequest" && label("Days of supply", days),
    quantity && label(`Value in ${quantity.unit}`, value),
  ].filter(Boolean);
  return el("div", {}, el("h3", {}, `${code.code} ${code.display}`), el("div", { className: "add-fields" }, ...shown, add));
}
