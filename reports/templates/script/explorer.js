// Explained texts. Scores are whole numbers of 1 / UNIT.
const explore = (texts) => {
  const { columns, classes, sources, texts: entriesOfTexts } = JSON.parse(texts.querySelector("script").textContent);
  // A row of the data becomes an object with a value for each column.
  const explanation = (row) => {
    const values = Object.fromEntries(columns.map((column, i) => [column, row[i]]));
    return { ...values, source: sources[values.source], predicted: classes[values.predicted] };
  };
  for (const entry of entriesOfTexts.flat()) entry.explanations = entry.explanations.map(explanation);
  const list = texts.querySelector(".cards");
  const controls = Object.fromEntries([...texts.querySelectorAll(".controls [data-use]")].map((element) => [element.dataset.use, element]));
  const control = (name) => controls[name];
  const choice = (name) => controls[name]?.value ?? "";
  const cards = [...texts.querySelectorAll(".card")];
  texts.querySelector(".more")?.remove();
  texts.classList.add("scripted");
  for (const card of cards) card.hidden = true;
  list.append(...cards);
  let limit = AT_FIRST, visible = [];

  const items = cards.map((card, i) => {
    const facts = card.querySelectorAll(".fact.of-words");
    const entries = [...card.querySelectorAll(".worded")].map((element, j) => {
      const text = element.querySelector(".text"), fact = facts[j], bar = element.querySelector(".bar");
      const words = [...text.children].filter((word) => !word.matches(".cut, .unseen"));
      for (const word of words) word.removeAttribute("title");
      const pieces = make("ul", { className: "pieces", hidden: true });
      text.after(pieces);
      for (const line of [text, pieces]) makeReachable(line);
      if (bar) {
        bar.dataset.tip = bar.title;
        bar.removeAttribute("title");
      }
      const strongest = fact.querySelector(".strongest");
      const part = (name) => element.querySelector(`.${name}`);
      return { element, fact, text, words, pieces, bar, strongest, firstStrongest: strongest.textContent, head: part("head"), predicted: part("predicted"), certainty: part("certainty"), mark: part("mark"), explains: part("explains"), flag: part("flag")?.parentElement, ...entriesOfTexts[i][j] };
    });
    const details = card.querySelector(".details");
    const item = { card, entries, details };
    const button = make("button", { type: "button", className: "save", textContent: "Save scores as CSV" });
    button.addEventListener("click", () => save(scoreTable(item), "text/csv", `scores-${card.dataset.number || i + 1}.csv`));
    if (entries.length) details.append(button);
    details.addEventListener("toggle", () => mapLayers(item));
    item.content = [...card.querySelectorAll(".text")].map((text) => text.textContent).concat(`#${card.dataset.number}`).join(" ").toLowerCase();
    item.wholeWords = new Set(entries.flatMap((entry) => entry.words.map((word) => word.textContent.toLowerCase())));
    return item;
  });
  const ofTask = () => (control("task") ? items.filter(({ card }) => card.dataset.task === choice("task")) : items);
  const explanationsOf = (some) => some.flatMap(({ entries }) => entries.flatMap((entry) => entry.explanations));

  // A choice that no explanation fits, together with those before it, cannot be made.
  const offerChoices = () => {
    const current = ofTask();
    let fitting = explanationsOf(current).map(({ source }) => source);
    for (const facet of FACETS) {
      const select = control(facet);
      if (!select) continue;
      const values = new Set(fitting.map((source) => source[facet]));
      for (const option of select.options) option.disabled = !values.has(option.value);
      if (select.selectedOptions[0].disabled) select.value = [...select.options].find((option) => !option.disabled)?.value ?? "";
      fitting = fitting.filter((source) => source[facet] === select.value);
    }
    offer("label", new Set(current.map(({ card }) => card.dataset.label)));
    offer("predicted", new Set(explanationsOf(current).map(({ predicted }) => predicted).concat(current.map(({ card }) => card.dataset.predicted))));
    offer("head", new Set(explanationsOf(current).map(({ source }) => source.head)));
  };
  const offer = (name, values) => {
    const select = control(name);
    if (!select) return;
    for (const option of select.options) option.disabled = option.hidden = option.value !== "" && !values.has(option.value);
    if (select.selectedOptions[0].disabled) select.value = "";
  };
  // Each choice in turn keeps the explanations that fit it, where there are any.
  const fittingExplanations = (entry) => {
    let fitting = entry.explanations;
    for (const facet of FACETS) {
      if (!control(facet)) continue;
      const narrower = fitting.filter((explanation) => explanation.source[facet] === choice(facet));
      if (narrower.length) fitting = narrower;
    }
    return fitting;
  };
  const explainedLayers = () => {
    const layers = new Set();
    for (const { entries } of ofTask()) {
      for (const entry of entries) {
        if (entry.explanations.length > 1) for (const { source } of fittingExplanations(entry)) layers.add(source.layer);
      }
    }
    return [...layers].filter((layer) => layer !== null).sort((a, b) => a - b);
  };
  const firstLayer = () => explanationsOf(ofTask())[0]?.source.layer ?? null;
  let layers = [], layer = firstLayer();

  // What a text is explained for: the class that the head predicts at the layer explained, its label, their difference, or a class.
  const fitsTarget = ({ target, against, explanations }, label) => {
    const predicted = explanations[0].predicted, wanted = choice("target");
    if (wanted === "label") return !against && target === label;
    if (wanted === "contrast") return target === predicted && against === label;
    if (wanted) return `=${target}${against ? ` − ${against}` : ""}` === wanted;
    return !against && target === predicted;
  };
  const chooseEntries = ({ card, entries }) => {
    const byHead = groupByTitle(entries);
    const chosen = new Set([...byHead.values()].map((ofHead) => (ofHead.length > 1 && ofHead.find((entry) => fitsTarget(entry, card.dataset.label))) || ofHead[0]));
    for (const entry of entries) entry.isShown = chosen.has(entry) && (choice("head") === "" || entry.explanations[0].source.head === choice("head"));
  };
  // Prediction, correctness and certainty of a text are those of the explanation that its first row shows.
  const assess = (item) => {
    chooseEntries(item);
    for (const entry of item.entries) {
      const fitting = fittingExplanations(entry);
      entry.explanation = fitting.find(({ source }) => source.layer === layer) ?? fitting[0];
    }
    const { certainty, correct, predicted } = item.card.dataset;
    const first = item.entries.find((entry) => entry.isShown), current = first?.explanation;
    const isFirst = !current || current === item.entries[0].explanations[0];
    item.predicted = isFirst ? predicted : current.predicted;
    item.correct = isFirst ? correct : { 1: "yes", 0: "no" }[current.correct] ?? "";
    item.certainty = isFirst ? +certainty : current.probability / 1000;
  };

  const plain = (whole, digits) => signed(whole, digits).replace("+", "");
  const sentence = (text) => text[0].toUpperCase() + text.slice(1);
  const sumsOf = ({ sum, output, baseline_output: baseline, delta, n_steps: steps, correlation, source }, isFirst) => {
    const parts = [sentence(source.method), `baseline: ${source.baseline}`];
    if (steps !== null) parts.push(`${steps} step${steps === 1 ? "" : "s"}`);
    const hasSum = delta !== null && baseline !== null;
    if (hasSum) parts.push(`convergence delta ${signed(delta, 3)}`);
    parts.push(`scores sum to ${signed(sum, 2)}${hasSum ? ` (output difference ${signed(output - baseline, 2)})` : ""} ${source.unit}`);
    if (!isFirst && correlation !== null) parts.push(`rank correlation with the explanation shown first ${plain(correlation, 2)}`);
    return `${parts.join("; ")}.`;
  };
  const percent = (probability) => (probability === null ? "–" : `${(probability / 10).toFixed(1)}\u00a0%`);
  const tokenScores = (explanation) => explanation.token_scores || explanation.word_scores;
  const drawBar = (bar, { output, baseline_output: baseline, source }) => {
    const position = (value) => Math.max(0, Math.min(100, (100 * (value / UNIT - source.lowest)) / (source.highest - source.lowest || 1)));
    bar.hidden = output === null || baseline === null;
    if (bar.hidden) return;
    for (const [name, value] of Object.entries({ "--from": baseline, "--to": output, "--zero": 0 })) bar.style.setProperty(name, position(value));
    bar.dataset.tip = `${source.unit} ${signed(baseline, 2)} at the baseline, ${signed(output, 2)} at the text`;
    bar.setAttribute("aria-label", bar.dataset.tip);
  };
  const setOutcome = (entry, { correct, predicted, probability, source, converged }) => {
    if (entry.head) entry.head.textContent = `${source.title}:`;
    entry.predicted.replaceChildren(make("bdi", { textContent: predicted }));
    entry.certainty.textContent = percent(probability);
    if (entry.mark && correct !== null) {
      entry.mark.className = `mark ${correct ? "right" : "wrong"}`;
      entry.mark.textContent = correct ? "✓" : "✗";
      entry.mark.setAttribute("aria-label", correct ? "correct" : "error");
    }
    entry.explains.hidden = entry.target === predicted && !entry.against && source.unit === "logit";
    if (!converged && !entry.flag) {
      entry.flag = make("p", { className: "explains" }, make("strong", { className: "flag", textContent: "not converged" }));
      entry.explains.after(entry.flag);
    }
    if (entry.flag) entry.flag.hidden = Boolean(converged);
  };
  const colour = (item) => {
    const asPieces = choice("scores") === "pieces";
    for (const entry of item.entries) {
      const { explanation } = entry, isFirst = explanation === entry.explanations[0];
      entry.element.hidden = entry.fact.hidden = !entry.isShown;
      if (!entry.isShown) continue;
      const full = explanation.source.full;
      setOutcome(entry, explanation);
      if (entry.bar) drawBar(entry.bar, explanation);
      entry.fact.querySelector(".adds").textContent = sumsOf(explanation, isFirst);
      const head = entry.fact.querySelector(".head");
      if (head) head.replaceChildren(`${explanation.source.title}: `, make("bdi", { textContent: `${explanation.predicted} ${percent(explanation.probability)}` }));
      entry.strongest.textContent = isFirst ? entry.firstStrongest : strongestWords(entry, explanation.word_scores);
      entry.text.hidden = asPieces;
      entry.pieces.hidden = !asPieces;
      if (asPieces) {
        const scores = tokenScores(explanation);
        entry.pieces.replaceChildren(...entry.tokens.map((token, k) =>
          make("li", {}, shade(make("bdi", { textContent: token }), scores[k], full), " ", make("span", { textContent: signed(scores[k]) }))));
      } else entry.words.forEach((word, k) => shade(word, explanation.word_scores[k], full));
    }
    for (const text of item.card.querySelectorAll(".text")) markHits(text);
    mapLayers(item);
  };
  const strongestWords = (entry, scores) => {
    const ranked = scores.map((score, k) => [score ?? 0, entry.words[k].textContent]).sort((a, b) => b[0] - a[0]);
    const listed = (pairs) => pairs.slice(0, 4).map(([score, word]) => `${signed(score, 2)} ${word.trim()}`).join(", ");
    const positive = ranked.filter(([score]) => score >= LEAST_LISTED);
    const negative = ranked.filter(([score]) => score <= -LEAST_LISTED).reverse();
    const parts = [positive, negative].filter((pairs) => pairs.length).map(listed);
    return parts.length ? `Top words: ${parts.join(" / ")}` : "";
  };
  const shade = (element, score, full) => {
    const level = Math.min(SHADES, Math.ceil(SHADES * Math.abs(score ?? 0) / UNIT / full - 0.5));
    if (!element.matches(".special")) element.className = level > 0 ? (score > 0 ? "p" : "n") + level : "";
    element.dataset.tip = score === null ? "–" : signed(score);
    return element;
  };

  // A row for each layer, a column for each word: drawn when the details of a text are opened.
  const mapLayers = ({ details, entries }) => {
    for (const entry of entries) {
      const fitting = details.open && entry.isShown ? fittingExplanations(entry).filter(({ source }) => source.layer !== null) : [];
      entry.map?.remove();
      entry.map = null;
      const sentenceByLayer = entry.fact.querySelector(".by-layer");
      if (sentenceByLayer) sentenceByLayer.hidden = fitting.length > 1;
      if (fitting.length < 2) continue;
      fitting.sort((a, b) => a.source.layer - b.source.layer);
      const heading = make("tr", {}, make("td"), ...entry.words.map((word) => make("th", { scope: "col" }, make("span", { textContent: word.textContent, title: word.textContent }))));
      const rows = fitting.map((explanation) => {
        const title = make("th", { scope: "row" }, `layer ${explanation.source.layer}: `, make("bdi", { textContent: explanation.predicted }), ` ${percent(explanation.probability)}`);
        const cells = entry.words.map((word, k) => {
          const shaded = shade(make("td"), explanation.word_scores[k], explanation.source.full);
          shaded.setAttribute("aria-label", shaded.dataset.tip);
          return shaded;
        });
        return make("tr", { className: explanation === entry.explanation ? "here" : "" }, title, ...cells);
      });
      const caption = "Scores by layer and word, with each layer's prediction";
      const table = make("table", { className: "layer-map" }, make("thead", {}, heading), make("tbody", {}, ...rows));
      table.setAttribute("aria-label", caption);
      entry.map = make("div", { className: "scroll" }, table);
      entry.fact.append(entry.map);
      if (entry.map.scrollWidth > entry.map.clientWidth) {
        entry.map.tabIndex = 0;
        entry.map.setAttribute("role", "group");
        entry.map.setAttribute("aria-label", caption);
      }
    }
  };

  const query = () => choice("find").trim().toLowerCase();
  const markHits = (text) => {
    for (const mark of text.querySelectorAll("mark")) {
      const parent = mark.parentNode;
      mark.replaceWith(...mark.childNodes);
      parent.normalize();
    }
    const sought = query(), content = text.textContent.toLowerCase();
    // A letter whose lower case is longer would move what follows it.
    if (!sought || content.length !== text.textContent.length) return;
    const isWhole = control("whole").checked, ranges = [];
    for (let at = content.indexOf(sought); at >= 0; at = content.indexOf(sought, at + sought.length)) ranges.push([at, at + sought.length]);
    const nodes = [], walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    for (let position = 0; walker.nextNode(); position += walker.currentNode.length) nodes.push([walker.currentNode, position]);
    for (const [node, position] of nodes) {
      const end = position + node.length;
      if (isWhole && (node.parentNode === text || node.data.toLowerCase() !== sought)) continue;
      for (const [from, to] of ranges.filter(([from, to]) => from < end && to > position).reverse()) {
        const hit = node.splitText(Math.max(0, from - position));
        hit.splitText(Math.min(to, end) - Math.max(from, position));
        const mark = make("mark");
        hit.replaceWith(mark);
        mark.append(hit);
      }
    }
  };

  const FILTERS = ["find", "whole", "correct", "label", "predicted"];
  const isSet = (name) => control(name) && (name === "whole" ? control(name).checked : choice(name) !== "");
  const clearFilters = () => {
    for (const name of FILTERS.filter(isSet)) {
      control(name).value = "";
      control(name).checked = false;
    }
  };
  const update = () => {
    const sought = query(), whole = control("whole").checked, current = ofTask();
    for (const item of current) assess(item);
    const wanted = { correct: choice("correct"), predicted: choice("predicted") };
    const matching = current.filter(({ card, content, wholeWords, correct, predicted }) =>
      (!sought || (whole ? wholeWords.has(sought) : content.includes(sought))) &&
      (!wanted.correct || correct === wanted.correct) &&
      (!wanted.predicted || predicted === wanted.predicted) &&
      (!choice("label") || card.dataset.label === choice("label")));
    const [key, sign] = choice("order").split(" ");
    if (key) {
      const value = (item) => (key === "certainty" ? item.certainty : item.card.dataset[key]);
      const rank = (item) => (value(item) === undefined ? Infinity : sign * value(item));
      matching.sort((a, b) => rank(a) - rank(b));
    }
    const shown = matching.slice(0, limit);
    for (const item of visible) item.card.hidden = !shown.includes(item);
    shown.forEach((item, i) => {
      item.card.hidden = false;
      colour(item);
      // A card that is in its position already is not laid out again.
      if (list.children[i] !== item.card) list.insertBefore(item.card, list.children[i]);
    });
    visible = shown;
    const further = texts.querySelector(".further");
    further.hidden = matching.length <= limit;
    further.textContent = `Show ${Math.min(AT_ONCE, matching.length - limit)} more`;
    texts.querySelector(".found").textContent = matching.length ? `${matching.length} of ${current.length} texts` : "No texts match.";
    texts.querySelector(".clear").hidden = !FILTERS.some(isSet);
    const nOptions = ["whole", "label", "predicted"].filter(isSet).length;
    texts.querySelector(".options summary").textContent = nOptions ? `Options (${nOptions})` : "Options";
    const source = shown[0]?.entries.find((entry) => entry.isShown)?.explanation.source;
    if (source) for (const number of texts.querySelectorAll(".key .full")) number.textContent = `${source.full.toFixed(2)} ${source.unit}`;
    point(null);
  };
  const updateChoices = () => {
    offerChoices();
    layers = explainedLayers();
    const slider = control("layer");
    if (!slider) return;
    if (!layers.includes(layer)) layer = layers.includes(firstLayer()) ? firstLayer() : layers[0] ?? layer;
    slider.max = Math.max(0, layers.length - 1);
    slider.value = layers.indexOf(layer);
    slider.hidden = layers.length < 2;
    const name = `${layer}${layer === firstLayer() ? " (explained)" : ""}`;
    control("layer-name").textContent = name;
    slider.setAttribute("aria-valuetext", `layer ${name}`);
  };

  const scoreTable = ({ card, entries }) => {
    const asPieces = choice("scores") === "pieces";
    const rows = [["text", "explained_by", "method", "baseline", "class", "minus", "unit", asPieces ? "token" : "word", "score"]];
    for (const entry of entries.filter(({ isShown }) => isShown)) {
      const { source } = entry.explanation;
      const scores = asPieces ? tokenScores(entry.explanation) : entry.explanation.word_scores;
      const tokens = asPieces ? entry.tokens : entry.words.map((word) => word.textContent);
      const facts = [card.dataset.number, source.title, source.method, source.baseline, entry.target, entry.against, source.unit].map((text) => cell(text));
      tokens.forEach((token, k) => rows.push([...facts, cell(token), scores[k] === null ? "" : scores[k] / UNIT]));
    }
    return csv(rows);
  };

  const refresh = () => {
    updateChoices();
    update();
  };
  for (const input of texts.querySelectorAll(".controls :is(input, select)")) {
    input.addEventListener("input", () => {
      if (input === control("layer")) layer = layers[input.value];
      if (input === control("task")) layer = firstLayer();
      limit = AT_FIRST;
      refresh();
    });
  }
  texts.querySelector(".further").addEventListener("click", () => {
    limit += AT_ONCE;
    update();
  });
  texts.querySelector(".clear").addEventListener("click", () => {
    clearFilters();
    limit = AT_FIRST;
    refresh();
    control("find").focus();
  });
  const options = texts.querySelector(".options");
  options.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    options.open = false;
    options.querySelector("summary").focus();
  });
  addEventListener("click", (event) => {
    if (!options.contains(event.target)) options.open = false;
  });
  // A link to a text shows it, whatever was filtered.
  const followLink = () => {
    const item = items.find(({ card }) => `#${card.id}` === location.hash);
    if (!item) return;
    clearFilters();
    if (control("task") && choice("task") !== item.card.dataset.task) {
      control("task").value = item.card.dataset.task;
      layer = firstLayer();
    }
    control("order").value = "";
    limit = Math.max(limit, ofTask().indexOf(item) + 1);
    refresh();
    item.details.open = true;
    item.card.scrollIntoView();
  };
  addEventListener("hashchange", followLink);
  for (const part of texts.querySelectorAll(".tools")) part.hidden = false;
  refresh();
  followLink();
};

function groupByTitle(entries) {
  const groups = new Map();
  for (const entry of entries) {
    const { title } = entry.explanations[0].source;
    groups.set(title, [...(groups.get(title) ?? []), entry]);
  }
  return groups;
}

// A text is one stop of the Tab key; arrow keys go through its words.
function makeReachable(line) {
  let position = 0;
  const words = () => [...line.querySelectorAll("[data-tip]")];
  const unmark = () => words().forEach((word) => word.classList.remove("here"));
  const go = (target) => {
    const all = words();
    unmark();
    position = Math.max(0, Math.min(target, all.length - 1));
    if (!all.length) return;
    all[position].classList.add("here");
    point(all[position], `${all[position].textContent.trim()} ${tipOf(all[position])}`);
  };
  line.tabIndex = 0;
  line.setAttribute("role", "group");
  line.setAttribute("aria-label", "Scores: the arrow keys go from word to word");
  line.addEventListener("focus", () => line.matches(":focus-visible") && go(position));
  line.addEventListener("blur", () => {
    unmark();
    point(null);
  });
  line.addEventListener("keydown", (event) => {
    const target = { ArrowRight: position + 1, ArrowLeft: position - 1, Home: 0, End: Infinity }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    go(target);
  });
}

for (const texts of document.querySelectorAll(".texts")) explore(texts);
