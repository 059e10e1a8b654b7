"use strict";
(() => {
  const PAGE = 50;
  const NAMES = { c: "right", w: "wrong", i: "not usable", e: "failed", r: "sent to a person", m: "missing" };
  const SIGNS = { c: "✓", w: "✗", i: "∅", e: "!", r: "↷", m: "·" };
  const FLIPS = { b: ["▼", "broken"], f: ["▲", "fixed"] };
  const at = (id) => document.getElementById(id);
  const contents = document.querySelector(".contents");
  if (contents && window.matchMedia("(max-width: 70rem)").matches) contents.open = false;
  const help = at("help");
  if (!at("explorer")) return;
  const data = JSON.parse(at("data").textContent);
  const inputs = Object.fromEntries(
    ["suite", "strategy", "status", "flip", "slice", "order", "q"].map((name) => [name, at("f-" + name)]));
  const numbers = new Intl.NumberFormat("en");
  let suite, found = [], page = 0, opened = -1, texts = new Map();

  // Whatever comes from models or cases goes in as text, never as markup.
  function el(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }
  const plain = (tag, text, name) => el(tag, { class: name, dir: "auto" }, text);

  function statuses(run, row) { return run.status.slice(row * run.repeats, (row + 1) * run.repeats); }
  function summary(run, row) {
    const all = statuses(run, row);
    for (const letter of all) if (letter !== "c") return letter;
    return "c";
  }
  function costOf(run, row) {
    let most = 0;
    for (let n = row * run.repeats; n < (row + 1) * run.repeats; n++) most = Math.max(most, run.cost[n] || 0);
    return most;
  }
  function shownRuns() {
    const strategy = inputs.strategy.value;
    return strategy === "" ? suite.runs : suite.runs.filter((run) => run.name === strategy);
  }
  function cost(row) { return Math.max(0, ...shownRuns().map((run) => costOf(run, row))); }
  function flip(run, row) { return run.flips ? run.flips[row] : "."; }

  function haystack(row) {
    let text = texts.get(row);
    if (text === undefined) {
      const parts = [suite.cases.id[row], ...suite.cases.text[row].filter((t) => t !== null)];
      const answers = new Set([suite.cases.expected[row]]);
      for (const run of suite.runs) {
        for (let n = row * run.repeats; n < (row + 1) * run.repeats; n++) {
          answers.add(run.answers[n]);
          if (run.problems[n]) parts.push(run.problems[n]);
          if (run.texts[n]) parts.push(run.texts[n]);
        }
      }
      for (const n of answers) if (n >= 0) parts.push(...suite.answers[n]);
      text = parts.join("\n").toLowerCase();
      texts.set(row, text);
    }
    return text;
  }

  function matches(run, row, status, wantedFlip) {
    if (status) {
      const all = statuses(run, row);
      if (status === "bad" ? ![...all].some((s) => s !== "c") : status === "c" ? [...all].some((s) => s !== "c") : !all.includes(status)) return false;
    }
    if (wantedFlip) {
      const seen = flip(run, row);
      if (wantedFlip === "flipped" ? seen === "." : seen !== wantedFlip[0]) return false;
    }
    return true;
  }

  function search() {
    const { status, flip: wantedFlip, slice, order, q } = values();
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const runs = shownRuns();
    const part = slice === "" ? -1 : suite.slices.findIndex((s) => s.name === slice);
    found = [];
    for (let row = 0; row < suite.cases.id.length; row++) {
      if (part >= 0 && !suite.cases.slices[row].includes(part)) continue;
      if ((status || wantedFlip) && !runs.some((run) => matches(run, row, status, wantedFlip))) continue;
      if (words.length && !words.every((word) => haystack(row).includes(word))) continue;
      found.push(row);
    }
    if (order === "cost") {
      const costs = new Map(found.map((row) => [row, cost(row)]));
      found.sort((a, b) => costs.get(b) - costs.get(a) || a - b);
    }
    page = 0;
    show();
  }

  const values = () => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value]));

  function address(row) {
    return "#case=" + encodeURIComponent(suite.name) + "/" + encodeURIComponent(suite.cases.id[row]);
  }
  function remember(hash) { history.replaceState(null, "", hash); }
  function filterAddress() {
    const given = Object.entries(values()).filter(([name, value]) => value && (name !== "suite" || data.suites.length > 1));
    return "#cases" + (given.length ? "?" + new URLSearchParams(given) : "");
  }

  function sign(letter, name) {
    return el("span", { class: "sign " + letter, title: name + ": " + NAMES[letter] },
      el("span", { "aria-hidden": "true" }, SIGNS[letter]), el("span", { class: "hidden" }, name + " " + NAMES[letter] + ". "));
  }
  function flipMark(run, row) {
    const seen = FLIPS[flip(run, row)];
    return seen ? el("span", { class: "flip " + seen[1], title: seen[1] + " since the baseline" },
      el("span", { "aria-hidden": "true" }, seen[0]), el("span", { class: "hidden" }, seen[1] + " since the baseline. ")) : null;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    at("found").textContent = found.length === suite.cases.id.length
      ? numbers.format(found.length) + (found.length === 1 ? " case" : " cases")
      : numbers.format(found.length) + " of " + numbers.format(suite.cases.id.length) + " cases";
    at("where").textContent = "page " + (page + 1) + " of " + pages;
    at("back").disabled = page === 0;
    at("on").disabled = page >= pages - 1;
    const body = document.querySelector("#rows tbody");
    body.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map((row) => line(row)));
  }

  function line(row) {
    const text = suite.cases.text[row].filter((t) => t !== null).join(" · ").slice(0, 240);
    const link = el("a", { href: address(row), "data-row": row }, el("bdi", null, suite.cases.id[row]));
    return el("tr", { class: row === opened ? "opened" : null },
      el("th", { scope: "row" }, link, plain("span", text, "snippet")),
      ...suite.runs.map((run) => el("td", { class: "how" }, sign(summary(run, row), run.name), flipMark(run, row))),
      el("td", { class: "number" }, numbers.format(cost(row))));
  }

  function head() {
    const cells = suite.runs.map((run) => el("th", { scope: "col", class: "tall", title: run.name }, el("bdi", null, run.name)));
    document.querySelector("#rows thead").replaceChildren(el("tr", null,
      el("th", { scope: "col" }, "case"), ...cells,
      el("th", { scope: "col", class: "number" }, "cost")));
  }

  function options(input, first, names) {
    input.replaceChildren(el("option", { value: "" }, first),
      ...names.map(([value, label]) => el("option", { value }, label)));
  }

  function choose(number) {
    suite = data.suites[number];
    texts = new Map();
    opened = -1;
    at("detail").hidden = true;
    at("explorer").classList.remove("open");
    options(inputs.strategy, "any", suite.runs.map((run) => [run.name, run.name + " (" + run.stage + ")"]));
    options(inputs.slice, "any", suite.slices.map((s) => [s.name, s.name + (s.critical ? " ● critical" : "")]));
    inputs.slice.parentElement.hidden = suite.slices.length === 0;
    inputs.flip.parentElement.hidden = suite.baseline === null;
    at("told").textContent = suite.told;
    at("told").hidden = !suite.told;
    head();
  }

  function answerRow(name, run, n, row, label) {
    const number = run.answers[n], letter = run.status[n];
    const cells = suite.fields.map((field, bit) => {
      if (number < 0) return plain("td", "–", "none");
      const bad = letter !== "m" && (run.wrong[n] >> bit) & 1;
      const marks = bad ? [el("span", { "aria-hidden": "true" }, "✗ "), el("span", { class: "hidden" }, "wrong: ")] : [];
      return el("td", { class: bad ? "bad" : null }, el("div", { class: "value" }, ...marks, plain("bdi", suite.answers[number][bit])));
    });
    const seen = run.flips ? FLIPS[run.flips[row]] : null;
    const confidence = run.confidence ? run.confidence[n] : null;
    return el("tr", null,
      el("th", { scope: "row" }, plain("bdi", name), label ? " " + label : null,
        seen ? el("span", { class: "flip " + seen[1] }, " " + seen[0] + " " + seen[1]) : null),
      el("td", { class: "status" }, el("span", { class: letter }, SIGNS[letter] + " " + NAMES[letter])),
      ...cells,
      el("td", { class: "number" }, run.cost[n] === null ? "–" : numbers.format(run.cost[n])),
      confident() ? el("td", { class: "number" }, confidence === null ? "–" : Math.round(100 * confidence) + "%") : null);
  }
  const confident = () => suite.runs.some((run) => run.confidence);

  function answerRows(name, run, row) {
    return Array.from({ length: run.repeats }, (_, repeat) =>
      answerRow(name, run, row * run.repeats + repeat, row, run.repeats > 1 ? "#" + (repeat + 1) : ""));
  }

  function raw(name, run, row) {
    const made = [];
    for (let n = row * run.repeats; n < (row + 1) * run.repeats; n++) {
      if (!run.problems[n] && !run.texts[n]) continue;
      const repeat = run.repeats > 1 ? " #" + (n - row * run.repeats + 1) : "";
      made.push(el("h4", null, plain("bdi", name), repeat + ": " + NAMES[run.status[n]]));
      if (run.problems[n]) made.push(plain("p", run.problems[n].replaceAll("_", " "), "problem"));
      if (run.texts[n]) made.push(plain("pre", run.texts[n]));
    }
    return made;
  }

  function detail(row) {
    const id = suite.cases.id[row], place = found.indexOf(row);
    const close = el("button", { type: "button", "aria-label": "close the case" }, "✕");
    close.addEventListener("click", shut);
    const step = (by, words, label) => {
      const button = el("button", { type: "button", "aria-label": label }, words);
      button.disabled = place < 0 || found[place + by] === undefined;
      button.addEventListener("click", () => open(found[place + by]));
      return button;
    };
    const parts = suite.cases.slices[row].map((n) => plain("span", suite.slices[n].name, "tag"));
    const texts = suite.inputs.flatMap((name, n) => suite.cases.text[row][n] === null ? [] : [
      suite.inputs.length > 1 ? el("h4", null, plain("bdi", name)) : null, plain("pre", suite.cases.text[row][n])]);
    const expected = suite.answers[suite.cases.expected[row]].map((text) => el("td", null, plain("div", text, "value")));
    const problems = [...(suite.baseline ? raw("baseline", suite.baseline, row) : []),
      ...suite.runs.flatMap((run) => raw(run.name, run, row))];
    return [
      el("header", null, el("h3", { id: "detail-h" }, "Case ", el("bdi", null, id)),
        el("span", { class: "buttons" }, step(-1, "‹", "previous case"), step(1, "›", "next case"), close)),
      parts.length ? el("p", { class: "tags" }, ...parts) : null,
      el("h4", null, "Input"), ...texts,
      el("h4", null, "Answers"),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "answers, scrolls sideways" },
        el("table", { class: "data answers" },
          el("thead", null, el("tr", null, el("th", { scope: "col" }, ""), el("th", { scope: "col" }, "status"),
            ...suite.fields.map((field) => el("th", { scope: "col" }, el("bdi", null, field))),
            el("th", { scope: "col", class: "number" }, "cost"),
            confident() ? el("th", { scope: "col", class: "number" }, "confidence") : null)),
          el("tbody", null,
            el("tr", { class: "expected" }, el("th", { scope: "row" }, "expected"), el("td", null, ""), ...expected,
              el("td", null, ""), confident() ? el("td", null, "") : null),
            ...(suite.baseline ? answerRows("baseline (before)", suite.baseline, row) : []),
            ...suite.runs.flatMap((run) => answerRows(run.name, run, row))))),
      problems.length ? el("h4", { class: "apart" }, "Why an answer can't be used, and what it said") : null, ...problems,
    ].filter((child) => child !== null && child !== undefined);
  }

  function open(row, { focus = true } = {}) {
    opened = row;
    const place = found.indexOf(row);
    if (place >= 0 && Math.floor(place / PAGE) !== page) { page = Math.floor(place / PAGE); show(); }
    for (const tr of document.querySelectorAll("#rows tbody tr")) {
      tr.classList.toggle("opened", Number(tr.querySelector("a").dataset.row) === row);
    }
    const box = at("detail");
    box.replaceChildren(...detail(row));
    box.hidden = false;
    at("explorer").classList.add("open");
    remember(address(row));
    box.scrollTop = 0;
    if (focus) {
      box.focus({ preventScroll: true });
      box.scrollIntoView({ block: "nearest" });
    }
  }

  function shut() {
    const row = opened;
    opened = -1;
    at("detail").hidden = true;
    at("explorer").classList.remove("open");
    for (const tr of document.querySelectorAll("#rows tr.opened")) tr.classList.remove("opened");
    remember(filterAddress());
    const link = document.querySelector('#rows a[data-row="' + row + '"]');
    if (link) link.focus();
  }

  function move(by) {
    const links = [...document.querySelectorAll("#rows tbody a")];
    const current = links.findIndex((link) => link === document.activeElement);
    if (opened >= 0 && at("detail").contains(document.activeElement)) {
      const next = found[found.indexOf(opened) + by];
      if (next !== undefined) open(next);
      return;
    }
    let wanted = current < 0 ? (by > 0 ? 0 : links.length - 1) : current + by;
    if (wanted >= links.length && (page + 1) * PAGE < found.length) { turn(1); return; }
    if (wanted < 0 && page > 0) { turn(-1, true); return; }
    wanted = Math.min(Math.max(wanted, 0), links.length - 1);
    if (links[wanted]) { links[wanted].focus(); if (opened >= 0) open(Number(links[wanted].dataset.row), { focus: false }); }
  }

  function turn(by, last = false) {
    page += by;
    show();
    const links = document.querySelectorAll("#rows tbody a");
    const link = last ? links[links.length - 1] : links[0];
    if (link) link.focus();
  }

  function follow() {
    const hash = location.hash.slice(1);
    if (hash.startsWith("case=")) {
      const [name, id] = hash.slice(5).split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
      const number = data.suites.findIndex((one) => one.name === name);
      const row = number < 0 ? -1 : data.suites[number].cases.id.indexOf(id);
      if (row < 0) {
        at("found").textContent = "There is no case " + (id || name) + " on this page.";
        at("cases").scrollIntoView();
        return;
      }
      const other = suite !== data.suites[number];
      if (other) { inputs.suite.value = String(number); choose(number); }
      if (other || !found.includes(row)) clear();
      at("cases").scrollIntoView();
      open(row);
    } else if (hash.startsWith("cases?")) {
      const wanted = new URLSearchParams(hash.slice(6));
      const name = wanted.get("suite");
      const number = Math.max(0, data.suites.findIndex((one, n) => one.name === name || String(n) === name));
      inputs.suite.value = String(number);
      choose(number);
      for (const [field, input] of Object.entries(inputs)) {
        if (field === "suite") continue;
        input.value = wanted.get(field) || "";
        if (input.value === "" && input.tagName === "SELECT") input.selectedIndex = 0;
      }
      search();
      at("cases").scrollIntoView();
    }
  }

  function clear() {
    for (const [name, input] of Object.entries(inputs)) if (name !== "suite") input.value = "";
    search();
  }

  let waiting = 0;
  function changed(event) {
    clearTimeout(waiting);
    if (event.target === inputs.suite) {
      for (const [name, input] of Object.entries(inputs)) if (name !== "suite") input.value = "";
      choose(Number(inputs.suite.value));
    }
    if (event.target === inputs.q) waiting = setTimeout(searchNow, 90); else searchNow();
  }
  function searchNow() {
    clearTimeout(waiting);
    waiting = 0;
    search();
    remember(filterAddress());
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (waiting && ["Escape", "Enter", "ArrowDown"].includes(event.key)) searchNow();
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "Escape") {
      if (typing) event.target.blur(); else if (opened >= 0) { event.preventDefault(); shut(); }
      return;
    }
    if (typing) {
      if (event.target === inputs.q && (event.key === "ArrowDown" || event.key === "Enter")) { event.preventDefault(); move(1); }
      return;
    }
    const inList = at("explorer").contains(event.target);
    const keys = { j: () => move(1), k: () => move(-1), "/": () => { inputs.q.focus(); inputs.q.select(); },
      "?": () => help.showModal(), "[": () => page > 0 && turn(-1), "]": () => !at("on").disabled && turn(1) };
    if (inList && event.target.tagName !== "PRE") Object.assign(keys, { ArrowDown: () => move(1), ArrowUp: () => move(-1) });
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  }

  inputs.suite.replaceChildren(...data.suites.map((one, n) => el("option", { value: String(n) }, one.name)));
  at("filters").addEventListener("input", changed);
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("filters").addEventListener("reset", (event) => { event.preventDefault(); clear(); remember(filterAddress()); });
  at("show-help").addEventListener("click", () => help.showModal());
  at("back").addEventListener("click", () => { page -= 1; show(); });
  at("on").addEventListener("click", () => { page += 1; show(); });
  document.querySelector("#rows tbody").addEventListener("click", (event) => {
    const line = event.target.closest("tr");
    if (!line || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(Number(line.querySelector("a").dataset.row));
  });
  document.addEventListener("keydown", pressed);
  window.addEventListener("hashchange", follow);
  choose(0);
  at("explorer").hidden = false;
  search();
  follow();
})();
