// Keys for who has no hand at the mouse; they can be switched off at the foot of each page.
(() => {
  "use strict";
  if (!("keys" in document.body.dataset)) return;
  const help = document.getElementById("help");
  let isGoing = false;

  const rows = () => [...document.querySelectorAll("tr[data-row]")];
  // The row that has the focus: what is shown anew keeps it.
  const current = () => document.activeElement?.closest("tr[data-row]");

  function step(by) {
    const all = rows(), at = all.indexOf(current());
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    if (!next) return;
    next.querySelector("[data-open]").focus();
    next.scrollIntoView({ block: "nearest" });
  }

  function tick() {
    const box = current()?.querySelector("input[type=checkbox]");
    if (!box) return;
    box.checked = !box.checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // On a job, or in a row that has one: its button. In a list: a plan for what is ticked, or for the row.
  function retry() {
    const button = (rows().length ? current() : document)?.querySelector("[data-key=r]");
    if (button) return button.click();
    const action = document.querySelector("select[name=action]");
    if (!action) return;
    if (!document.querySelector("input[name=id]:checked")) tick();
    action.value = "retry";
    action.form.requestSubmit();
  }

  function change() {
    const place = document.querySelector("[data-keep=change]");
    if (!place) return;
    place.open = true;
    place.querySelector("textarea").focus();
  }

  function explain() {
    const link = current()?.querySelector("[data-open]"), sentence = document.getElementById("explain");
    if (link) location.href = `${link.href}#explain`;
    else if (sentence) { sentence.focus(); sentence.scrollIntoView({ block: "nearest" }); }
  }

  const acts = {
    "?": () => help.showModal(),
    "/": () => document.getElementById("search")?.focus(),
    "g": () => { isGoing = true; },
    "j": () => step(1),
    "k": () => step(-1),
    "x": tick,
    "r": retry,
    "e": explain,
    "c": change,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const isTyping = event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select");
    if (event.key === "Escape" && isTyping) return event.target.blur();
    if (isTyping || help.open) return;
    if (isGoing) {
      isGoing = false;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const act = acts[event.key];
    if (act) { event.preventDefault(); act(); }
  });
})();
