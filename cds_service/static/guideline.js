// The guideline page: filters of the table, and the search of codes. Without this script the page can still be read.

import { byId, fill, getJson, rested } from "./dom.js";
import { codesAddress, counted, hit } from "./hits.js";

const matrix = byId("matrix");
const chosen = { category: byId("filter-category"), modality: byId("filter-modality"), age: byId("filter-age") };

function filter() {
  const category = chosen.category.value;
  let cells = 0;
  let rows = 0;
  for (const row of matrix.tBodies[0].rows) {
    let matching = 0;
    for (const cell of row.querySelectorAll("td[data-category]")) {
      const matches = !category || cell.dataset.category.startsWith(category);
      cell.classList.toggle("off", !matches);
      matching += matches;
    }
    row.hidden = matching === 0 || (chosen.modality.value !== "" && row.dataset.modality !== chosen.modality.value);
    cells += row.hidden ? 0 : matching;
    rows += !row.hidden;
  }
  if (chosen.age.value) matrix.dataset.age = chosen.age.value;
  else delete matrix.dataset.age;
  byId("filter-count").textContent = `${cells} ${cells === 1 ? "rating" : "ratings"} of ${rows} ${rows === 1 ? "study" : "studies"}`;
}

for (const select of Object.values(chosen)) select.addEventListener("change", filter);
filter();

const words = byId("codes-words");
const concept = byId("codes-concept");
let asked = 0;

async function look() {
  const number = ++asked;
  const query = words.value.trim();
  if (!query && !concept.value) {
    byId("codes-count").textContent = "";
    fill(byId("codes-found"));
    return;
  }
  const found = await getJson(codesAddress(query, concept.value, 60));
  if (number !== asked) return;
  byId("codes-count").textContent = counted(found, query);
  fill(byId("codes-found"), ...found.codes.map((code) => hit(code)));
}

words.addEventListener("input", rested(look));
concept.addEventListener("change", look);
byId("codes-form").addEventListener("submit", (event) => {
  event.preventDefault();
  look();
});
for (const button of document.querySelectorAll("button[data-concept]")) {
  button.addEventListener("click", async () => {
    concept.value = button.dataset.concept;
    words.value = "";
    await look();
    byId("codes-title").scrollIntoView();
    words.focus({ preventScroll: true });
  });
}

// A link from a card names a variant: take the reader, and the reader's keyboard, there.
const target = location.hash ? byId(location.hash.slice(1)) : null;
if (target?.classList.contains("variant")) target.focus({ preventScroll: true });
