// The ordering session: a hook request, what is done to its drafts and its chart, and the calls to the service.

import { at, uuid } from "./dom.js";

const DATES = {
  Condition: ["onsetDateTime", "recordedDate"],
  MedicationRequest: ["authoredOn"],
  Procedure: ["performedDateTime"],
  Observation: ["effectiveDateTime"],
  ServiceRequest: ["authoredOn"],
  DiagnosticReport: ["effectiveDateTime"],
};
const KEYS = {
  Condition: "conditions",
  MedicationRequest: "medications",
  Procedure: "procedures",
  Observation: "observations",
  ServiceRequest: "referrals",
  DiagnosticReport: "imaging",
};
const CODE_SYSTEM = "http://terminology.hl7.org/CodeSystem";
const status = (system, code) => ({ coding: [{ system: `${CODE_SYSTEM}/${system}`, code }] });

export const dateElement = (resource) =>
  DATES[resource.resourceType]?.find((name) => name in resource) ?? DATES[resource.resourceType]?.[0];

export const named = (concept) =>
  concept?.text || concept?.coding?.find((coding) => coding?.display)?.display || concept?.coding?.[0]?.code || "without a name";

export class Session {
  /** `request` is a hook request; it is changed in place by everything done here. */
  constructor(request) {
    this.request = request;
    this.heldBack = {};
    this.made = 0;
    this.pattern = structuredClone(this.drafts[0]);
  }

  get entries() {
    const bundle = (this.request.context.draftOrders ??= { resourceType: "Bundle", type: "collection" });
    return (bundle.entry ??= []);
  }

  get drafts() {
    return this.entries.map((entry) => entry?.resource).filter(Boolean);
  }

  get prefetch() {
    return (this.request.prefetch ??= {});
  }

  /** Every resource of the chart, with what takes it out again. */
  *chart() {
    for (const value of Object.values(this.prefetch)) {
      for (const entry of value?.entry ?? []) {
        if (entry?.resource?.resourceType in DATES) {
          yield [entry.resource, () => this.remove(value, entry)];
        }
      }
    }
  }

  get patient() {
    return Object.values(this.prefetch).find((value) => value?.resourceType === "Patient");
  }

  remove(bundle, entry) {
    const { resourceType, id } = entry.resource;
    bundle.entry = bundle.entry.filter((each) => each !== entry);
    if ("total" in bundle) bundle.total = bundle.entry.length;
    // A reason that points to what is gone could not be read, and would leave the red flags open.
    for (const draft of this.drafts) {
      if (!draft.reasonReference) continue;
      draft.reasonReference = draft.reasonReference.filter((each) => each.reference !== `${resourceType}/${id}`);
      if (!draft.reasonReference.length) delete draft.reasonReference;
    }
  }

  hold(key) {
    this.heldBack[key] = this.prefetch[key];
    delete this.prefetch[key];
  }

  send(key) {
    const empty = key === "patient" ? { resourceType: "Patient", id: this.patientId } : { resourceType: "Bundle", type: "searchset" };
    this.prefetch[key] = this.heldBack[key] ?? empty;
  }

  get patientId() {
    return String(this.request.context.patientId).split("/").pop();
  }

  /** Put a found code into the chart, or onto the order as a reason. */
  add(code, told) {
    const concept = { coding: [{ system: code.system, code: code.code, display: code.display }], text: code.display };
    if (told.where === "order") {
      for (const draft of this.drafts.slice(0, 1)) (draft.reasonCode ??= []).push(concept);
      return;
    }
    const key = KEYS[code.resourceType];
    if (!(key in this.prefetch)) this.send(key);
    const bundle = (this.prefetch[key] ??= { resourceType: "Bundle", type: "searchset" });
    (bundle.entry ??= []).push({ resource: this.resource(code, concept, told) });
    if ("total" in bundle) bundle.total = bundle.entry.length;
  }

  resource(code, concept, told) {
    const subject = { reference: `Patient/${this.patientId}` };
    const resource = { resourceType: code.resourceType, id: `added-${++this.made}` };
    switch (code.resourceType) {
      case "Condition":
        resource.clinicalStatus = status("condition-clinical", told.state === "past" ? "resolved" : "active");
        resource.verificationStatus = status("condition-ver-status", { suspected: "provisional", refuted: "refuted" }[told.state] ?? "confirmed");
        resource.code = concept;
        break;
      case "MedicationRequest":
        Object.assign(resource, { status: "active", intent: "order", medicationCodeableConcept: concept });
        if (told.days) {
          const days = { value: told.days, unit: "days", system: "http://unitsofmeasure.org", code: "d" };
          resource.dispenseRequest = { expectedSupplyDuration: days };
        }
        break;
      case "Procedure":
        Object.assign(resource, { status: "completed", code: concept });
        break;
      case "Observation":
        Object.assign(resource, { status: "final", category: [status("observation-category", "vital-signs")], code: concept }, structuredClone(code.members));
        if (resource.valueQuantity && Number.isFinite(told.value)) resource.valueQuantity.value = told.value;
        break;
      default:
        Object.assign(resource, { status: "active", intent: "order", code: concept });
    }
    resource.subject = subject;
    if (told.date) resource[dateElement(resource)] = told.date;
    return resource;
  }

  /** Order another study: in place of the present imaging order, or as a new draft where there is none. */
  order(code, isStudy) {
    const present = this.drafts.find(isStudy) ?? null;
    if (present) {
      present.code = structuredClone(code);
    } else {
      const draft = { ...structuredClone(this.pattern), code: structuredClone(code), id: `draft-${++this.made + 1}` };
      this.entries.push({ resource: draft });
    }
  }

  discard(draft) {
    this.request.context.draftOrders.entry = this.entries.filter((entry) => entry.resource !== draft);
  }

  /** Carry out the actions of a suggestion on the drafts. */
  apply(actions) {
    const find = (name) => this.entries.find((entry) => `${entry.resource.resourceType}/${entry.resource.id}` === name);
    for (const action of actions ?? []) {
      if (action.type === "delete") {
        for (const name of [action.resourceId].flat()) {
          const found = find(name);
          if (found) this.discard(found.resource);
        }
        continue;
      }
      const resource = structuredClone(action.resource);
      resource.id ??= `created-${++this.made}`;
      const found = find(`${resource.resourceType}/${resource.id}`);
      if (found) found.resource = resource;
      else this.entries.push({ resource });
    }
  }

  /** The body of a call to a hook, as it is sent. */
  body(hook) {
    this.request.hook = hook;
    this.request.hookInstance = uuid();
    const context = this.request.context;
    if (hook === "order-select") {
      context.selections = this.drafts.map((draft) => `${draft.resourceType}/${draft.id}`);
    } else {
      delete context.selections;
    }
    return JSON.stringify(this.request);
  }
}

const JSON_TYPE = { "Content-Type": "application/json" };

/** Post JSON text; the answer's status and its body, whatever they are. */
export async function post(address, body) {
  const answer = await fetch(at(address), { method: "POST", headers: JSON_TYPE, body });
  const text = await answer.text();
  try {
    return { status: answer.status, body: JSON.parse(text) };
  } catch {
    return { status: answer.status, body: text };
  }
}

export function feedback(service, card, said) {
  const item = { card: card.uuid, ...said, outcomeTimestamp: new Date().toISOString() };
  return post(`cds-services/${service}/feedback`, JSON.stringify({ feedback: [item] }));
}
