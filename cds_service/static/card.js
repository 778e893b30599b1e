// A card as an EHR draws it: tone by colour, icon and word; detail in Markdown without HTML; buttons that act.

import MarkdownIt from "./vendor/markdown-it.esm.min.js";
import { capitalised, el, fill } from "./dom.js";

// HTML in a detail is shown as text, and links other than http, https and mailto stay text.
const markdown = new MarkdownIt("default", { html: false, linkify: false, breaks: false });
markdown.disable(["image"]);
// The alignment of a table would come as a style attribute, which the page's policy refuses.
markdown.core.ruler.push("without-styles", (state) => {
  for (const token of state.tokens) token.attrs = token.attrs?.filter(([name]) => name !== "style") ?? null;
});

const ICONS = {
  info: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20Zm1.2 15h-2.4v-6.6h2.4V17Zm0-8.4h-2.4V6.2h2.4v2.4Z",
  warning: "M12 2.6 1.2 21.4h21.6L12 2.6Zm1.2 15.6h-2.4v-2.4h2.4v2.4Zm0-4.2h-2.4V9.2h2.4V14Z",
  critical: "M7.6 1.8h8.8l5.8 5.8v8.8l-5.8 5.8H7.6l-5.8-5.8V7.6l5.8-5.8Zm5.6 15.6h-2.4V15h2.4v2.4Zm0-4.2h-2.4V6.4h2.4v6.8Z",
};

function icon(indicator) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", ICONS[indicator] ?? ICONS.info);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

function detail(text) {
  const body = el("div", { className: "card-detail" });
  body.innerHTML = markdown.render(text);
  for (const link of body.querySelectorAll("a")) outward(link);
  return body;
}

function outward(link) {
  link.target = "_blank";
  link.rel = "noopener noreferrer";
}

/** The card with its suggestions, links and dismissal; `acts` says what its buttons do. */
export function drawCard(card, acts) {
  const article = el(
    "article",
    { className: "card", data: { indicator: card.indicator } },
    el("div", { className: "card-tone" }, icon(card.indicator), capitalised(card.indicator)),
    el("h3", {}, card.summary),
    card.detail && detail(card.detail),
  );
  const suggestions = (card.suggestions ?? []).map((suggestion) =>
    el("button", { type: "button", onclick: () => acts.accept(card, suggestion) }, suggestion.label),
  );
  if (suggestions.length) article.append(el("div", { className: "card-actions" }, ...suggestions));
  const links = (card.links ?? []).map((link) => {
    const anchor = el("a", { href: link.url }, link.label);
    outward(anchor);
    return anchor;
  });
  const source = card.source?.url
    ? el("a", { href: card.source.url, target: "_blank", rel: "noopener noreferrer" }, card.source.label)
    : card.source?.label;
  const foot = [source && ["Source: ", source], ...links.map((link) => [link])].filter(Boolean);
  article.append(el("p", { className: "card-source" }, ...foot.flatMap((each, n) => (n ? [" · ", ...each] : each))));
  if (card.uuid) article.append(dismissal(card, acts));
  return article;
}

function dismissal(card, acts) {
  const name = `reason-${card.uuid}`;
  const reasons = (card.overrideReasons ?? []).map((reason, number) =>
    el("label", {}, el("input", { type: "radio", name, value: String(number) }), reason.display),
  );
  const form = el(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        const chosen = form.querySelector("input:checked");
        acts.dismiss(card, chosen ? card.overrideReasons[Number(chosen.value)] : undefined);
      },
    },
    el("fieldset", { className: "parts" }, el("legend", {}, "Why go on with the order? (may be left open)"), ...reasons),
    el("button", { type: "submit", className: "quiet" }, "Dismiss the card"),
  );
  return el("details", { className: "dismiss" }, el("summary", {}, "Dismiss …"), form);
}

/** What stands where no card comes. */
export function drawSilence(headline, words) {
  return el("div", { className: "silence" }, el("strong", {}, headline), words);
}

export function drawProblem(status, body) {
  const messages = (body?.issue ?? []).map((issue) => issue.diagnostics).filter(Boolean);
  const box = el("div", { className: "problem" });
  fill(box, el("strong", {}, `The service answered ${status}. `), messages.join(" ") || "It gave no reason.");
  return box;
}
