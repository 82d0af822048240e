"use strict";
// The page is complete without this: it finds, filters, orders and recolours the explained texts, says exact values
// where one points, and saves figures and tables.

const UNIT = 10000, SHADES = 8, AT_ONCE = 20;
const make = (tag, given = {}, ...inside) => {
  const made = Object.assign(document.createElement(tag), given);
  made.append(...inside);
  return made;
};
const signed = (whole, digits = 4) => {
  const text = Math.abs(whole / UNIT).toFixed(digits);
  return Number(text) === 0 ? text : (whole < 0 ? "−" : "+") + text;
};

// One tip for the page: what a word or a point of a figure is worth.
const tip = make("output", { className: "tip", hidden: true });
document.body.append(tip);
const point = (at, text) => {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = at.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const left = Math.max(4, Math.min(box.left + box.width / 2 - own.width / 2, document.documentElement.clientWidth - own.width - 4));
  const above = box.top - own.height - 6;
  tip.style.left = `${left}px`;
  tip.style.top = `${above < 4 ? box.bottom + 6 : above}px`;
};
const told = (at) => at.dataset.tip ?? at.querySelector(":scope > title")?.textContent;
addEventListener("pointerover", (event) => {
  const at = event.target.closest?.("[data-tip], figure svg .point");
  point(at, at && told(at));
});
addEventListener("scroll", () => point(null), { passive: true });
addEventListener("keydown", (event) => {
  if (event.key === "Escape") point(null);
});

// Saving.
const save = (content, kind, name) => {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type: kind })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
const cell = (text, number) => {
  let plain = text.replace(/[\u2066-\u2069]/g, "");
  if (number) plain = plain.replace(/−/g, "-").replace(/^–$/, "").replace(/\u00a0/g, " ").replace(/(\d),(?=\d{3})/g, "$1");
  // A spreadsheet would run it as a formula.
  else if (/^[=+\-@\t\r]/.test(plain)) plain = `'${plain}`;
  return /[",\n\r]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
};
// A column of `83.4 %`, `81.6 to 85.1` or `−0.2 (−0.9 to 0.5)` is one, two or three columns of numbers.
const NUMBERS = /^(?:(?<value>-?\d+(?:\.\d+)?)(?: %)?(?: \((?<a>-?[\d.]+) to (?<b>-?[\d.]+)\))?|(?<c>-?[\d.]+) to (?<d>-?[\d.]+))?$/;
const spread = (name, column) => {
  const numeric = column.some((each) => each.matches(".n")), plain = column.map((each) => cell(each.textContent, numeric));
  const found = plain.map((each) => each.match(NUMBERS)).map((each) => each && [each.groups.value, each.groups.a ?? each.groups.c, each.groups.b ?? each.groups.d]);
  if (!numeric || !found.every((each) => each)) return { names: [cell(name)], cells: plain.map((each) => [each]) };
  const kept = [["", 0], [" lower", 1], [" upper", 2]].filter(([, k]) => found.some((each) => each[k]));
  if (!kept.length) return { names: [cell(name)], cells: plain.map((each) => [each]) };
  const title = name + (plain.some((each) => each.includes("%")) ? " (%)" : "");
  return { names: kept.map(([end]) => cell(title + end)), cells: found.map((each) => kept.map(([, k]) => each[k] ?? "")) };
};
const lines = (rows) => rows.map((row) => row.join(",")).join("\r\n") + "\r\n";
const named = (element, ending) => {
  const section = element.closest("section")?.id ?? "layerprobe";
  const all = [...document.querySelectorAll(`#${section} ${ending === "svg" ? "figure" : "table"}`)];
  return `${section}-${all.indexOf(element) + 1}.${ending}`;
};
for (const figure of document.querySelectorAll("figure")) {
  const button = make("button", { type: "button", className: "save", textContent: "Save as SVG" });
  button.addEventListener("click", () => {
    const svg = figure.querySelector("svg").cloneNode(true);
    const [, , width, height] = svg.getAttribute("viewBox").split(" ");
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.setAttribute("font-family", "sans-serif");
    // The page's colours are variables, each with the colour it has on paper.
    const text = new XMLSerializer().serializeToString(svg).replace(/var\(--[\w-]+, ?([^()]*)\)/g, "$1");
    save(text, "image/svg+xml", named(figure, "svg"));
  });
  figure.querySelector("figcaption").append(" ", button);
}
for (const table of document.querySelectorAll("table")) {
  const button = make("button", { type: "button", className: "save", textContent: "Save as CSV" });
  button.addEventListener("click", () => {
    const [names, ...rows] = [...table.rows].map((row) => [...row.cells]);
    const told = names.map((name, i) => spread(name.textContent || `column ${i + 1}`, rows.map((row) => row[i])));
    save(lines([told.flatMap((each) => each.names), ...rows.map((_, j) => told.flatMap((each) => each.cells[j]))]), "text/csv", named(table, "csv"));
  });
  table.after(button);
}

// Explained texts.
const explore = (texts) => {
  const { classes, views, texts: held } = JSON.parse(texts.querySelector("script").textContent);
  const list = texts.querySelector(".cards"), tools = texts.querySelector(".tools");
  const use = (name) => tools.querySelector(`[data-use=${name}]`);
  const chosen = (name) => use(name)?.value ?? "";
  const cards = [...texts.querySelectorAll(".card")];
  texts.querySelector(".more")?.remove();
  for (const card of cards) card.hidden = true;
  list.append(...cards);
  let most = AT_ONCE, now = [];

  const items = cards.map((card, i) => {
    const entries = [...card.querySelectorAll(".worded")].map((element, j) => {
      const text = element.querySelector(".text");
      const words = [...text.children].filter((each) => !each.matches(".cut, .unseen"));
      for (const word of words) word.removeAttribute("title");
      let head = element.querySelector(".head");
      if (!head) element.prepend((head = make("p", { className: "head" })));
      const pieces = make("ul", { className: "pieces", hidden: true });
      text.after(pieces);
      const strong = element.querySelector(".strongest");
      for (const line of [text, pieces]) reachable(line);
      return { element, text, words, head, pieces, sums: element.querySelector(".adds"), strongest: strong, said: strong.textContent, ...held[i][j] };
    });
    const copy = make("button", { type: "button", className: "save", textContent: "Copy scores as CSV" });
    copy.addEventListener("click", () => copied(copy, scores(items[i])));
    card.append(copy);
    const spoken = [...card.querySelectorAll(".text")].map((each) => each.textContent).concat(card.dataset.place).join(" ").toLowerCase();
    const parts = new Set(entries.flatMap((each) => each.words.map((word) => word.textContent.toLowerCase())));
    return { card, entries, spoken, parts };
  });

  // A choice that no explanation fits, together with those before it, cannot be made.
  const offer = () => {
    let left = held.flat().flatMap((entry) => entry.views).map((view) => views[view[0]]);
    for (const facet of ["pooling", "method", "baseline"]) {
      const select = use(facet);
      if (!select) continue;
      const there = new Set(left.map((view) => view[facet]));
      for (const option of select.options) option.disabled = !there.has(option.value);
      if (select.selectedOptions[0].disabled) select.value = [...select.options].find((option) => !option.disabled).value;
      left = left.filter((view) => view[facet] === select.value);
    }
  };
  // Each choice in turn keeps the explanations that fit it, where there are any.
  const fits = (entry) => {
    let left = entry.views;
    for (const facet of ["pooling", "method", "baseline"]) {
      if (!use(facet)) continue;
      const some = left.filter((view) => views[view[0]][facet] === chosen(facet));
      if (some.length) left = some;
    }
    return left;
  };
  const layers = () => {
    const found = new Set();
    for (const { entries } of items) for (const entry of entries) if (entry.views.length > 1) for (const view of fits(entry)) found.add(views[view[0]].layer);
    return [...found].filter((each) => each !== null).sort((a, b) => a - b);
  };
  let steps = layers(), layer = held.flat().length ? views[held.flat()[0].views[0][0]].layer : null;

  const colour = (item) => {
    const pieces = chosen("of") === "pieces";
    for (const entry of item.entries) {
      const some = fits(entry), view = some.find((each) => views[each[0]].layer === layer) ?? some[0];
      const about = views[view[0]];
      entry.shown = view;
      entry.element.hidden = chosen("who") !== "" && about.who !== chosen("who");
      entry.head.replaceChildren(`${about.title}: `, make("bdi", { textContent: classes[view[1]] }), ` ${view[2]}`);
      const first = view === entry.views[0];
      const sums = [`Scores add up to ${signed(view[4], 2)}${view[6] === null ? "" : ` of ${signed(view[5], 2)}`} ${about.unit}`];
      if (view[6] !== null) sums.push(`convergence delta ${signed(view[6], 3)}${view[8] ? "" : ", not converged"}`);
      if (view[7] !== null) sums.push(`${view[7]} steps`);
      if (!first && view[9] !== null) sums.push(`rank correlation with the explanation shown first ${signed(view[9], 2).replace("+", "")}`);
      sums.push(about.method, `from ${about.baseline}`);
      entry.sums.textContent = `${sums.join("; ")}.`;
      for (const each of entry.element.querySelectorAll(".flag")) each.hidden = !first;
      entry.strongest.textContent = first ? entry.said : strongest(entry, view[10]);
      entry.text.hidden = pieces;
      entry.pieces.hidden = !pieces;
      if (pieces) {
        const scores = view[11] || view[10];
        entry.pieces.replaceChildren(...entry.tokens.map((piece, k) =>
          make("li", {}, shade(make("bdi", { textContent: piece }), scores[k], about.full), " ", make("span", { textContent: signed(scores[k]) }))));
      } else entry.words.forEach((word, k) => shade(word, view[10][k], about.full));
    }
  };
  const strongest = (entry, scores) => {
    const ranked = scores.map((score, k) => [score ?? 0, entry.words[k].textContent]).sort((a, b) => b[0] - a[0]);
    const told = (some) => some.slice(0, 4).map(([score, word]) => `“${word.trim()}” ${signed(score, 2)}`).join(", ");
    const sides = [["for", told(ranked.filter(([score]) => score >= 50))], ["against", told(ranked.filter(([score]) => score <= -50).reverse())]];
    const said = sides.filter(([, words]) => words).map(([side, words]) => `${side} it: ${words}`).join("; ");
    return said ? `Strongest ${said}.` : "";
  };
  const shade = (element, score, full) => {
    const level = Math.min(SHADES, Math.ceil(SHADES * Math.abs(score ?? 0) / UNIT / full - 0.5));
    if (!element.matches(".special")) element.className = level > 0 ? (score > 0 ? "p" : "n") + level : "";
    element.dataset.tip = score === null ? "–" : signed(score);
    return element;
  };

  const show = () => {
    const wanted = chosen("find").trim().toLowerCase(), whole = use("whole").checked;
    const kept = items.filter(({ card, spoken, parts }) =>
      (!wanted || (whole ? parts.has(wanted) : spoken.includes(wanted))) &&
      ["right", "label", "said"].every((each) => !chosen(each) || card.dataset[each] === chosen(each)));
    const [key, way] = chosen("order").split(" ");
    if (key) {
      const of = ({ card }) => (card.dataset[key] === undefined ? Infinity : way * card.dataset[key]);
      kept.sort((a, b) => of(a) - of(b));
    }
    const seen = kept.slice(0, most);
    for (const item of now) item.card.hidden = !seen.includes(item);
    seen.forEach((item, i) => {
      item.card.hidden = false;
      colour(item);
      // What stands in its place already is not laid out again.
      if (list.children[i] !== item.card) list.insertBefore(item.card, list.children[i]);
    });
    now = seen;
    const further = texts.querySelector(".further");
    further.hidden = kept.length <= most;
    further.textContent = `Show ${Math.min(AT_ONCE, kept.length - most)} more`;
    const part = kept.length > seen.length ? `, the first ${seen.length} shown` : "";
    tools.querySelector(".found").textContent = kept.length ? `${kept.length} of ${items.length} texts${part}` : `0 of ${items.length} texts: none fits all of this`;
    point(null);
  };
  const slide = () => {
    offer();
    steps = layers();
    const slider = use("layer");
    if (!slider) return;
    if (!steps.includes(layer)) layer = steps[0] ?? layer;
    slider.max = Math.max(0, steps.length - 1);
    slider.value = steps.indexOf(layer);
    slider.hidden = steps.length < 2;
    use("at").textContent = `layer ${layer}`;
    slider.setAttribute("aria-valuetext", `layer ${layer}`);
  };

  const scores = ({ card, entries }) => {
    const pieces = chosen("of") === "pieces";
    const rows = [["place", "explained_by", "method", "baseline", "class", "minus", "unit", pieces ? "piece" : "word", "score"]];
    for (const entry of entries.filter((each) => !each.element.hidden)) {
      const about = views[entry.shown[0]], own = pieces ? entry.shown[11] || entry.shown[10] : entry.shown[10];
      const tokens = pieces ? entry.tokens : entry.words.map((word) => word.textContent);
      const told = [card.dataset.place, about.title, about.method, about.baseline, entry.target, entry.against, about.unit].map((each) => cell(each));
      tokens.forEach((token, k) => rows.push([...told, cell(token), own[k] === null ? "" : own[k] / UNIT]));
    }
    return lines(rows);
  };

  for (const control of tools.querySelectorAll("input, select")) {
    control.addEventListener("input", () => {
      if (control === use("layer")) layer = steps[control.value];
      most = AT_ONCE;
      slide();
      show();
    });
  }
  texts.querySelector(".further").addEventListener("click", () => {
    most += AT_ONCE;
    show();
  });
  tools.hidden = false;
  slide();
  show();
};

// A text is one stop of the Tab key; arrow keys go through its words.
function reachable(line) {
  let at = 0;
  const parts = () => [...line.querySelectorAll("[data-tip]")];
  const go = (to) => {
    const all = parts();
    for (const each of all) each.classList.remove("here");
    at = Math.max(0, Math.min(to, all.length - 1));
    if (!all.length) return;
    all[at].classList.add("here");
    point(all[at], `${all[at].textContent.trim()} ${told(all[at])}`);
  };
  line.tabIndex = 0;
  line.setAttribute("role", "group");
  line.setAttribute("aria-label", "Scores: the arrow keys go from word to word");
  line.addEventListener("focus", () => line.matches(":focus-visible") && go(at));
  line.addEventListener("blur", () => {
    for (const each of parts()) each.classList.remove("here");
    point(null);
  });
  line.addEventListener("keydown", (event) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: Infinity }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  });
}

async function copied(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { value: text });
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = before), 1500);
}

for (const texts of document.querySelectorAll(".texts")) explore(texts);

// What is folded is printed too.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details.numbers:not([open])")) {
    folded.open = true;
    folded.dataset.printed = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("details[data-printed]")) {
    folded.open = false;
    delete folded.dataset.printed;
  }
});
