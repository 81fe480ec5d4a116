// Keeps the regions of a page (`data-live`) as they are on the server: a stream says that something changed, the regions
// are fetched with an ETag, and what differs is changed in place, so that focus, ticks, open details and what is
// selected stay. Without it a page is whole: it has a link that loads it again.
(() => {
  "use strict";
  const FIRST_MS = 1000, LAST_MS = 30000, AGAIN_MS = 2000;
  const bar = document.getElementById("live");
  const known = new Map(), held = new Map();
  let etag = null, pauseMs = 0, source = null, delay = FIRST_MS, retry = 0, isBusy = false, isAgain = false, pointed = null;

  document.querySelector("form[data-submit]")?.requestSubmit();
  const address = new URL(location.href);
  if (address.searchParams.has("done") || address.searchParams.has("in")) {
    for (const said of ["done", "count", "in"]) address.searchParams.delete(said);
    history.replaceState(null, "", address);
  }

  // A table that is wider than its place says so; without scripts the shadow at its edge does.
  function measure() {
    for (const box of document.querySelectorAll(".scroll")) box.toggleAttribute("data-wide", box.scrollWidth > box.clientWidth);
  }
  measure();
  addEventListener("resize", measure);
  for (const happened of ["rowline:shown", "toggle"]) document.addEventListener(happened, measure, true);
  if (!document.body.dataset.stream) return;

  const isTicked = () => document.querySelector("[data-live] input:checked") !== null;
  // A command is selected by a click (dashboard.css), which is no reason to wait.
  const isCommand = (node) => (node?.parentElement ?? node)?.closest?.(".sentence code, .note code, .empty code") != null;
  const isSelecting = () => !(getSelection()?.isCollapsed ?? true) && !isCommand(getSelection().anchorNode);
  const isPaused = () => document.hidden || isTicked() || isSelecting() || document.querySelector("dialog[open]") !== null;
  const rows = (region) => new Set([...region.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
  const isAt = (region) => region === pointed || region.contains(document.activeElement);

  document.addEventListener("pointerover", (event) => { pointed = event.target.closest("[data-live]"); });

  // By attributes: of a form, `form.id` is its field of that name. A form with another act is another form: whoever is
  // about to press a button does not press what took its place.
  function keyOf(node) {
    const named = (name) => node.getAttribute(name);
    return node.nodeType === 1 ? named("data-row") ?? named("data-keep") ?? named("id") ?? named("action") ?? "" : "";
  }

  // Makes `now` like `next`. Elements that are alike stay the same elements.
  function morph(now, next) {
    for (const { name } of [...now.attributes]) {
      if (!next.hasAttribute(name) && !(name === "open" && now.matches("details"))) now.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (now.getAttribute(name) !== value && !(name === "open" && now.matches("details"))) now.setAttribute(name, value);
    }
    const keyed = new Map([...now.children].filter(keyOf).map((child) => [keyOf(child), child]));
    let place = now.firstChild;
    for (const wanted of [...next.childNodes]) {
      const key = keyOf(wanted);
      let found = key ? keyed.get(key) : place;
      if (!key && found && keyOf(found)) found = null;
      if (found && found.nodeType === wanted.nodeType && found.nodeName === wanted.nodeName) {
        if (found === place) place = place.nextSibling;
        else now.insertBefore(found, place);
        if (found.nodeType === 1) morph(found, wanted);
        else if (found.data !== wanted.data) found.data = wanted.data;
      } else {
        now.insertBefore(document.importNode(wanted, true), place);
      }
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  }

  // What moves to another place loses the focus. If it went, what held it has the focus then, main at the outermost.
  function show(region, next) {
    const focused = document.activeElement, holders = [];
    for (let one = focused; one; one = one.parentElement) holders.push(one);
    morph(region, next);
    if (focused !== document.activeElement) {
      holders.find((one) => one.isConnected && (one === focused || one.hasAttribute("tabindex")))?.focus({ preventScroll: true });
    }
    held.delete(region.dataset.live);
    document.dispatchEvent(new CustomEvent("rowline:shown"));
  }

  // Shows a region, unless that would push rows under the pointer, or take away what somebody is at.
  function offer(region, next) {
    const before = rows(region), added = [...rows(next)].filter((row) => !before.has(row)).length;
    if (isPaused() || (added && isAt(region) && region.querySelector("[data-row]"))) {
      held.set(region.dataset.live, { region, next, added });
    } else {
      show(region, next);
      if (added) say(`${added} new`, false);
    }
  }

  function tell() {
    if (!held.size) return;
    const added = Math.max(...[...held.values()].map((one) => one.added));
    say(added ? `${added} new` : "Something changed", true);
  }

  function say(text, hasButton) {
    const [words, button] = bar.children;
    if (words.textContent !== text) words.textContent = text;
    button.hidden = !hasButton;
    bar.hidden = false;
    clearTimeout(say.timer);
    if (!hasButton) say.timer = setTimeout(() => { bar.hidden = true; }, 3000);
  }

  bar.lastElementChild.addEventListener("click", () => {
    for (const { region, next } of [...held.values()]) show(region, next);
    document.getElementById("main").focus({ preventScroll: true });  // the button goes
    bar.hidden = true;
  });

  // All regions in one request: the server reads the same for one of them as for all.
  async function refetch() {
    const url = new URL(location.href);
    for (const region of document.querySelectorAll("[data-live]")) url.searchParams.append("fragment", region.dataset.live);
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(url, { headers, cache: "no-store", redirect: "error" });
    if (answer.status === 401) location.reload();
    if (answer.status !== 200) return;
    etag = answer.headers.get("ETag");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const next of page.querySelectorAll("[data-live]")) {
      const name = next.dataset.live, region = document.querySelector(`[data-live="${name}"]`);
      if (!region || known.get(name) === next.outerHTML) continue;
      known.set(name, next.outerHTML);
      offer(region, next);
    }
  }

  async function refresh() {
    isAgain = isBusy;
    if (isBusy) return;
    isBusy = true;
    try {
      await refetch();
    } catch {
      // The service is away: the stream says when it is back.
    } finally {
      isBusy = false;
    }
    tell();
    if (isAgain) refresh();
  }

  function open() {
    clearTimeout(retry);
    if (document.hidden || source) return;
    source = new EventSource(document.body.dataset.stream);
    source.addEventListener("open", () => { delay = FIRST_MS; document.body.dataset.isLive = ""; refresh(); });
    source.addEventListener("changed", (event) => { pauseMs = JSON.parse(event.data).pauseMs; refresh(); });
    source.addEventListener("error", () => {
      close();
      retry = setTimeout(() => { refresh(); open(); }, delay * (0.75 + Math.random() / 2));
      delay = Math.min(delay * 2, LAST_MS);
    });
  }

  function close() {
    source?.close();
    source = null;
    delete document.body.dataset.isLive;
  }

  // What no event tells of: how long something runs, that a plan has looked through the queue, or has ended.
  // Where many pages are open, no more often than the stream says.
  function again() {
    if (!document.hidden && source && document.querySelector("[data-again]")) refresh();
    setTimeout(again, Math.max(AGAIN_MS, pauseMs));
  }
  setTimeout(again, AGAIN_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(retry); close(); } else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  document.addEventListener("change", () => { if (held.size && !isPaused()) tell(); });
  open();
})();
