// Elements without markup in strings: what comes from a chart can only ever become text.

/** An element with properties and children; a property that begins with a capital or a dash is an attribute. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== undefined && child !== null && child !== false));
}

export const byId = (id) => document.getElementById(id);

export const capitalised = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A random identifier; crypto.randomUUID exists only where the page counts as secure. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

export const today = () => {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
};

/** An address of the service, whatever the page's own address ends in and whatever stands before it. */
export const at = (path) => new URL(`../${path}`, import.meta.url);

/** The JSON of an address of the service; an error names it with the status. */
export async function getJson(address) {
  const answer = await fetch(at(address));
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}

/** Run after the hand has rested, so that typing does not ask for every letter. */
export function rested(run, milliseconds = 180) {
  let waiting;
  return (...given) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => run(...given), milliseconds);
  };
}
