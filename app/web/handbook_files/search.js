// Searches the titles and headings of all pages. Without this script the field stays hidden, and the list is whole.
const field = document.getElementById("search");
const list = document.getElementById("pages");
const found = document.getElementById("found");
const state = document.getElementById("search-status");
const here = document.currentScript.src;
const MOST = 30;
let index = null;

async function load() {
  const answer = await fetch(new URL("search.json", here));
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

function matches(pages, words) {
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  const titles = pages.filter((page) => has(page.title)).map((page) => [page.title, page.path]);
  const headings = pages.flatMap((page) =>
    page.headings
      .filter(([heading]) => has(heading))
      .map(([heading, anchor]) => [`${heading} (${page.title})`, `${page.path}#${anchor}`]));
  return [...titles, ...headings].slice(0, MOST);
}

function entry([text, path]) {
  const item = document.createElement("li");
  const link = item.appendChild(document.createElement("a"));
  link.href = new URL(`../${path}`, here);
  link.textContent = text;
  return item;
}

async function search() {
  try {
    index ??= load();
    const pages = await index;
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean); // what stands there by now
    const results = words.length ? matches(pages, words) : [];
    found.replaceChildren(...results.map(entry));
    state.textContent = words.length ? `${results.length} found` : "";
    list.hidden = words.length > 0;
  } catch (error) {
    index = null; // the next key tries again
    state.textContent = `The search failed: ${error.message}`;
    list.hidden = false;
  }
  found.hidden = !list.hidden;
}

function move(event) {
  const stops = [field, ...found.querySelectorAll("a")];
  const at = stops.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
  if (event.key === "Escape") {
    field.value = "";
    search();
    field.focus();
  } else if (event.key === "Enter" && at === 0 && stops.length > 1) {
    stops[1].click();
  } else if (to >= 0 && to < stops.length) {
    event.preventDefault(); // or the page scrolls
    stops[to].focus();
  }
}

field.addEventListener("input", search);
field.parentElement.addEventListener("keydown", move);
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  field.focus();
});
field.parentElement.hidden = false;
