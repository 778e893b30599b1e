// The try-it page: an ordering session with an invented patient, against the real service.

import { drawCard, drawProblem, drawSilence } from "./card.js";
import { drawEditor, prepareAdding } from "./chart.js";
import { byId, capitalised, el, fill, getJson } from "./dom.js";
import { Session, feedback, named, post } from "./session.js";
import { drawWhy, verdictWords } from "./why.js";

const choices = await getJson("try/choices");
let session;
let patient;
let calls = 0;

const ofStudy = (draft) => {
  const sent = draft?.code?.coding ?? [];
  return choices.studies.find((study) =>
    study.code.coding.every((coding) => sent.some((each) => each?.system === coding.system && each?.code === coding.code)),
  ) ?? choices.studies.find((study) =>
    study.code.coding.some((coding) => sent.some((each) => each?.system === coding.system && each?.code === coding.code)),
  );
};
const isImaging = (draft) => ofStudy(draft) !== undefined;

/** A note to be seen, and with it what a screen reader should say of the new answer. */
function say(note, read = "") {
  byId("note").textContent = note ?? "";
  byId("note").hidden = !note;
  byId("status").textContent = [note, read].filter(Boolean).join(" ");
}

// -- patients ------------------------------------------------------------------------------------

function drawPatients() {
  const people = choices.patients.map((each) => {
    const [who, what] = each.title.split(/: (.*)/);
    const radio = el("input", { type: "radio", name: "patient", value: each.id, onchange: () => begin(each.id) });
    return el("label", { className: "person" }, radio, el("strong", {}, who), capitalised(what));
  });
  fill(byId("patients"), ...people);
}

async function begin(id) {
  const chosen = choices.patients.find((each) => each.id === id) ?? choices.patients[0];
  patient = chosen;
  const request = await getJson(`try/patients/${chosen.id}`);
  // Another patient may have been chosen while this one was on its way.
  if (patient !== chosen) return;
  session = new Session(request);
  const radio = document.querySelector(`#patients input[value="${CSS.escape(patient.id)}"]`);
  radio.checked = true;
  radio.closest("label").scrollIntoView({ block: "nearest", inline: "center" });
  history.replaceState(null, "", `?patient=${patient.id}`);
  byId("patient-title").textContent = patient.title;
  byId("patient-story").textContent = patient.story;
  byId("patient-teaches").textContent = patient.teaches;
  byId("edited").hidden = true;
  await fire("order-select");
}

// -- the order -----------------------------------------------------------------------------------

function drawOrder() {
  const imaging = session.drafts.find(isImaging);
  const none = el("option", { value: "" }, imaging ? "" : "no lumbar study");
  const options = choices.studies.map((study) => el("option", { value: study.id }, study.name));
  fill(byId("study"), ...(imaging ? options : [none, ...options]));
  byId("study").value = imaging ? ofStudy(imaging).id : "";
  const drafts = session.drafts.map((draft) => {
    const reasons = (draft.reasonCode ?? []).map(named);
    const remove = () => {
      session.discard(draft);
      fire("order-select", `${named(draft.code)} removed.`);
    };
    return el(
      "li",
      {},
      el("span", {}, named(draft.code), reasons.length > 0 && el("small", {}, `for ${reasons.join(", ")}`)),
      el("button", { type: "button", className: "plain", "aria-label": `Remove the draft ${named(draft.code)}`, onclick: remove }, "Remove"),
    );
  });
  const list = drafts.length ? el("ul", { "aria-label": "Draft orders" }, ...drafts) : el("span", { className: "muted" }, "No draft orders.");
  const sign = el("button", { type: "button", onclick: () => fire("order-sign", "The order was signed: the service was asked once more.") }, "Sign");
  fill(byId("drafts"), el("div", { className: "draft" }, list, drafts.length > 0 && sign));
}

byId("study").addEventListener("change", (event) => {
  const study = choices.studies.find((each) => each.id === event.target.value);
  if (!study) return;
  session.order(study.code, isImaging);
  fire("order-select");
});

// -- calls ---------------------------------------------------------------------------------------

/** Call a hook with the session as it stands, and show all that comes back. */
async function fire(hook, note) {
  const body = session.body(hook);
  drawOrder();
  drawEditor(session, choices, (changed) => {
    byId("edited").hidden = false;
    fire("order-select", changed);
  });
  await show(hook, body, note);
}

async function show(hook, body, note) {
  const call = ++calls;
  const service = choices.services[hook] ?? choices.services["order-select"];
  const [answer, explanation] = await Promise.all([post(`cds-services/${service}`, body), post("try/explain", body)]);
  if (call !== calls) return;
  drawAnswer(service, answer, explanation, note);
  drawJson("request", `POST /cds-services/${service}`, body);
  drawJson("response", `HTTP ${answer.status}`, answer.body);
  fill(byId("panel-why"), ...(explanation.status === 200 ? drawWhy(choices, explanation.body) : [drawProblem(explanation.status, explanation.body)]));
}

function drawAnswer(service, answer, explanation, note) {
  if (answer.status !== 200) {
    fill(byId("cards"), drawProblem(answer.status, answer.body));
    say(note, `The service answered ${answer.status}.`);
    return;
  }
  const acts = { accept: (card, suggestion) => accept(service, card, suggestion), dismiss: (card, reason) => dismiss(service, card, reason) };
  const cards = answer.body.cards.map((card) => drawCard(card, acts));
  const verdicts = (explanation.body?.orders ?? []).map((order) => verdictWords(choices, order)).join(" ");
  const silence = drawSilence("No card: the clinician is not interrupted.", verdicts || "No draft is a lumbar study.");
  fill(byId("cards"), ...(cards.length ? cards : [silence]));
  const read = answer.body.cards.map((card) => `${capitalised(card.indicator)}: ${card.summary}`);
  say(note, read.join(" ") || `No card. ${verdicts}`);
}

async function accept(service, card, suggestion) {
  session.apply(suggestion.actions);
  const told = await feedback(service, card, { outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] });
  await fire("order-select", `${suggestion.label}: done. ${stored(told)}`);
  byId("cards").focus();
}

async function dismiss(service, card, reason) {
  const given = reason && { overrideReason: { reason: { system: reason.system, code: reason.code } } };
  const told = await feedback(service, card, { outcome: "overridden", ...given });
  fill(byId("cards"), drawSilence("The card was dismissed.", reason ? reason.display : "No reason was given."));
  say(`Dismissed. ${stored(told)}`);
  byId("cards").focus();
}

const stored = (answer) => (answer.status === 200 ? "Feedback was stored." : `Feedback was not stored (${answer.status}).`);

// -- request and response ------------------------------------------------------------------------

function drawJson(name, headline, value) {
  let text = value;
  try {
    text = JSON.stringify(typeof value === "string" ? JSON.parse(value) : value, null, 2);
  } catch {
    text = String(value);
  }
  const shown = el("pre", { tabIndex: 0, "aria-label": `The ${name}` }, text);
  const copy = el("button", { type: "button", className: "quiet" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown);
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  fill(byId(`panel-${name}`), el("div", { className: "json-head" }, el("code", {}, headline), copy), shown);
}

function prepareTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const open = (tab) => {
    for (const each of tabs) {
      each.setAttribute("aria-selected", String(each === tab));
      each.tabIndex = each === tab ? 0 : -1;
      byId(each.getAttribute("aria-controls")).hidden = each !== tab;
    }
  };
  for (const [number, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(number + step + tabs.length) % tabs.length];
      open(next);
      next.focus();
    });
  }
}

byId("restart").addEventListener("click", () => begin(patient.id));
byId("paste-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("paste-text").value;
  let pasted;
  try {
    pasted = JSON.parse(text);
  } catch {
    pasted = undefined;
  }
  // What is no hook request goes as it is: its error is the service's to tell.
  const usable = typeof pasted?.context === "object" && pasted.context !== null;
  if (usable) {
    session = new Session(pasted);
    byId("patient-title").textContent = "A request of your own";
    byId("patient-story").textContent = "Sent as it was pasted; what is changed here is sent again.";
    byId("patient-teaches").textContent = "";
    drawOrder();
    drawEditor(session, choices, (changed) => fire(pasted.hook, changed));
  }
  await show(pasted?.hook, text, "Sent.");
  byId("cards").focus();
});

drawPatients();
prepareTabs();
prepareAdding(choices, () => session, (changed) => {
  byId("edited").hidden = false;
  fire("order-select", changed);
});
await begin(new URLSearchParams(location.search).get("patient"));
