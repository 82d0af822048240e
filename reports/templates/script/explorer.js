// Explained texts. Scores are whole numbers of 1 / UNIT.
const tenths = (probability) => (probability === null ? "–" : `${(probability / 10).toFixed(1)}\u00a0%`);
const tokenScores = (explanation) => explanation.token_scores || explanation.word_scores;
const shade = (element, score, full) => {
  const level = Math.min(SHADES, Math.ceil(SHADES * Math.abs(score ?? 0) / UNIT / full - 0.5));
  if (!element.matches(".special")) element.className = level > 0 ? (score > 0 ? "p" : "n") + level : "";
  element.dataset.tip = score === null ? "–" : signed(score);
  return element;
};
const strongestWords = ({ words }, scores) => {
  const ranked = scores.map((score, k) => [score ?? 0, words[k].textContent]).sort((a, b) => b[0] - a[0]);
  const listed = (pairs) => pairs.slice(0, 4).map(([score, word]) => `${signed(score, 2)} ${word.trim()}`).join(", ");
  const positive = ranked.filter(([score]) => score >= LEAST_LISTED);
  const negative = ranked.filter(([score]) => score <= -LEAST_LISTED).reverse();
  const parts = [positive, negative].filter((pairs) => pairs.length).map(listed);
  return parts.length ? `Top words: ${parts.join(" / ")}` : "";
};
const sumsOf = ({ sum, output, baseline_output: baseline, delta, n_steps: steps, correlation, source }, isFirst) => {
  const parts = [source.method[0].toUpperCase() + source.method.slice(1), `baseline: ${source.baseline}`];
  if (steps !== null) parts.push(`${steps} step${steps === 1 ? "" : "s"}`);
  const hasSum = delta !== null && baseline !== null;
  if (hasSum) parts.push(`convergence delta ${signed(delta, 3)}`);
  parts.push(`scores sum to ${signed(sum, 2)}${hasSum ? ` (output difference ${signed(output - baseline, 2)})` : ""} ${source.unit}`);
  if (!isFirst && correlation !== null) parts.push(`rank correlation with the explanation shown first ${signed(correlation, 2).replace("+", "")}`);
  return `${parts.join("; ")}.`;
};
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
  entry.certainty.textContent = tenths(probability);
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
// Choices of the class that is explained which an entry fits.
const targetsOf = ({ target, against, explanations }, label) => {
  const { predicted } = explanations[0], targets = [`=${target}${against ? ` − ${against}` : ""}`];
  if (!against && target === predicted) targets.push("predicted");
  if (!against && target === label) targets.push("label");
  if (target === predicted && against && against === label) targets.push("contrast");
  return targets;
};

const explore = (texts) => {
  const { columns, classes, sources, texts: entriesOfTexts } = JSON.parse(texts.querySelector("script").textContent);
  // A row of the data becomes an object with a value for each column.
  const explanation = (row) => {
    const values = {};
    for (let i = 0; i < columns.length; i++) values[columns[i]] = row[i];
    values.source = sources[values.source];
    values.predicted = classes[values.predicted];
    return values;
  };
  for (const entry of entriesOfTexts.flat()) entry.explanations = entry.explanations.map(explanation);
  const anchor = texts.closest("section[id]")?.id;
  const list = texts.querySelector(".cards");
  const controls = Object.fromEntries([...texts.querySelectorAll(".controls [data-use]")].map((element) => [element.dataset.use, element]));
  const control = (name) => controls[name];
  const choice = (name) => controls[name]?.value ?? "";
  const cards = [...texts.querySelectorAll(".card")];
  texts.querySelector(".more")?.remove();
  texts.classList.add("scripted");
  // Each hidden card among those that are shown would make every change of them slower.
  const rest = make("ul", { className: "rest", hidden: true });
  list.after(rest);
  rest.append(...cards);
  let limit = AT_FIRST, visible = [];

  // What a text needs to be drawn is made when it is drawn first.
  const prepareEntry = (entry) => {
    const { element, fact, text, words } = entry;
    for (const word of words) word.removeAttribute("title");
    entry.pieces = make("ul", { className: "pieces", hidden: true });
    text.after(entry.pieces);
    for (const line of [text, entry.pieces]) makeLineReachable(line);
    entry.bar = element.querySelector(".bar");
    entry.bar?.removeAttribute("title");
    entry.strongest = fact.querySelector(".strongest");
    entry.firstStrongest = entry.strongest.textContent;
    for (const name of ["head", "predicted", "certainty", "mark", "explains"]) entry[name] = element.querySelector(`.${name}`);
    entry.flag = element.querySelector(".flag")?.parentElement;
  };
  const prepare = (item) => {
    if (item.isReady) return;
    item.isReady = true;
    const { card, entries, details } = item;
    // Rows that were folded, as another class is explained first, take their place among the others.
    card.querySelector(".entries").append(...entries.map(({ element }) => element));
    entries.forEach(prepareEntry);
    const button = make("button", { type: "button", className: "save", textContent: "Save scores as CSV" });
    button.addEventListener("click", () => save(scoreTable(item), "text/csv", `scores-${card.dataset.number || items.indexOf(item) + 1}.csv`));
    if (entries.length) details.append(button);
    details.addEventListener("toggle", () => mapLayers(item));
  };
  const rowsOf = (card) => [...card.querySelectorAll(".worded")].sort((a, b) => a.dataset.entry - b.dataset.entry);
  const items = cards.map((card, i) => {
    const facts = card.querySelectorAll(".fact.of-words");
    const entries = rowsOf(card).map((element, j) => {
      const text = element.querySelector(".text"), data = entriesOfTexts[i][j];
      const words = [...text.children].filter((word) => !word.matches(".cut, .unseen"));
      return { element, fact: facts[j], text, words, ...data, targets: targetsOf(data, card.dataset.label) };
    });
    const contents = new Set([...card.querySelectorAll(".text")].map((text) => text.textContent));
    const content = [...contents, `#${card.dataset.number}`].join(" ").toLowerCase();
    const wholeWords = new Set(entries.flatMap((entry) => entry.words.map((word) => word.textContent.toLowerCase())));
    const { task, label, predicted, correct } = card.dataset;
    return { card, entries, details: card.querySelector(".details"), content, wholeWords, task, label, first: { predicted, correct } };
  });
  const ofTask = () => (control("task") ? items.filter(({ task }) => task === choice("task")) : items);
  const explanationsOf = (some) => some.flatMap(({ entries }) => entries.flatMap((entry) => entry.explanations));

  // A choice that no explanation fits, together with those before it, cannot be made.
  const offerChoices = () => {
    const current = ofTask(), all = explanationsOf(current);
    let fitting = [...new Set(all.map(({ source }) => source))];
    offer("head", new Set(fitting.map(({ head }) => head)));
    for (const facet of FACETS) {
      const select = control(facet);
      if (!select) continue;
      const values = new Set(fitting.map((source) => source[facet]));
      for (const option of select.options) option.disabled = !values.has(option.value);
      if (select.selectedOptions[0].disabled) select.value = [...select.options].find((option) => !option.disabled)?.value ?? "";
      fitting = fitting.filter((source) => source[facet] === select.value);
    }
    offer("label", new Set(current.map(({ label }) => label)));
    offer("predicted", new Set(all.map(({ predicted }) => predicted).concat(current.map(({ first }) => first.predicted))));
    offer("target", new Set(current.flatMap(({ entries }) => entries.flatMap(({ targets }) => targets))));
  };
  const offer = (name, values) => {
    const select = control(name);
    if (!select) return;
    for (const option of select.options) option.disabled = option.hidden = option.value !== "" && !values.has(option.value);
    if (select.selectedOptions[0].disabled) select.value = "";
  };
  // Each choice in turn keeps the explanations that fit it, where there are any.
  const facetChoices = () => FACETS.filter(control).map((facet) => [facet, choice(facet)]);
  const fittingExplanations = (entry, facets = facetChoices()) => {
    let fitting = entry.explanations;
    for (const [facet, value] of facets) {
      const narrower = fitting.filter(({ source }) => source[facet] === value);
      if (narrower.length) fitting = narrower;
    }
    return fitting;
  };
  const explainedLayers = () => {
    const found = new Set(), facets = facetChoices();
    for (const { entries } of ofTask()) {
      for (const entry of entries) {
        if (entry.explanations.length > 1) for (const { source } of fittingExplanations(entry, facets)) found.add(source.layer);
      }
    }
    return [...found].filter((layer) => layer !== null).sort((a, b) => a - b);
  };
  const firstLayer = () => ofTask().find(({ entries }) => entries.length)?.entries[0].explanations[0].source.layer ?? null;
  let layers = [], layer = firstLayer(), chosenCell = null;

  // Of each head the entry for the class that is wanted; the first one, unless a class is chosen.
  const chooseEntries = ({ entries }, target, head) => {
    const chosen = new Set();
    for (const entry of entries) {
      const { source } = entry.explanations[0];
      const fits = (!target || entry.targets.includes(target)) && (!head || source.head === head);
      entry.isShown = fits && !chosen.has(source.title);
      if (entry.isShown) chosen.add(source.title);
    }
    return chosen.size > 0 || !entries.length;
  };
  // Prediction, correctness and certainty of a text are those of the explanation that its first row shows.
  const assess = (item, { target, head, facets, key }) => {
    item.isShown = chooseEntries(item, target, head);
    for (const entry of item.entries) {
      // Of many texts, what fits is looked for again only where another pooling, method or baseline is chosen.
      if (entry.key !== key) [entry.key, entry.fitting] = [key, fittingExplanations(entry, facets)];
      entry.explanation = entry.fitting.find(({ source }) => source.layer === layer) ?? entry.fitting[0];
    }
    const shown = item.entries.find((entry) => entry.isShown), current = shown?.explanation;
    const isFirst = !current || (shown === item.entries[0] && current === shown.explanations[0]);
    item.predicted = isFirst ? item.first.predicted : current.predicted;
    item.correct = isFirst ? item.first.correct : { 1: "yes", 0: "no" }[current.correct] ?? "";
    item.certainty = isFirst ? +item.card.dataset.certainty : current.probability / 1000;
  };

  // The score with the fullest colour: that of all texts on the page, or the highest one of this text.
  const fullest = (scores, { full }) => choice("colours") === "text" ? Math.max(1, ...scores.map((score) => Math.abs(score ?? 0))) / UNIT : full;
  const drawScores = (entry) => {
    const { explanation: { word_scores: scores, source }, explanation } = entry, asPieces = choice("scores") === "pieces";
    entry.text.hidden = asPieces;
    entry.pieces.hidden = !asPieces;
    if (!asPieces) entry.words.forEach((word, k) => shade(word, scores[k], fullest(scores, source)));
    else {
      const ofTokens = tokenScores(explanation), full = fullest(ofTokens, source);
      entry.pieces.replaceChildren(...entry.tokens.map((token, k) =>
        make("li", {}, shade(make("bdi", { textContent: token }), ofTokens[k], full), " ", make("span", { textContent: signed(ofTokens[k]) }))));
    }
  };
  // A text that is drawn so already stays as it is.
  const draw = (item) => {
    const sought = query(), isWhole = control("whole").checked;
    const state = [...item.entries.map((entry) => entry.isShown && entry.explanation), choice("scores"), choice("colours"), sought, isWhole];
    if (item.drawn && state.every((value, i) => value === item.drawn[i])) return;
    item.drawn = state;
    prepare(item);
    for (const entry of item.entries) {
      const { explanation, fact } = entry, isFirst = explanation === entry.explanations[0];
      entry.element.hidden = fact.hidden = !entry.isShown;
      if (!entry.isShown) continue;
      setOutcome(entry, explanation);
      if (entry.bar) drawBar(entry.bar, explanation);
      fact.querySelector(".adds").textContent = sumsOf(explanation, isFirst);
      const head = fact.querySelector(".head");
      if (head) head.replaceChildren(`${explanation.source.title}: `, make("bdi", { textContent: `${explanation.predicted} ${tenths(explanation.probability)}` }));
      entry.strongest.textContent = isFirst ? entry.firstStrongest : strongestWords(entry, explanation.word_scores);
      drawScores(entry);
    }
    for (const text of item.card.querySelectorAll(".text")) markHits(text, sought, isWhole);
    mapLayers(item);
  };
  // Drawn when the details of a text are opened.
  const mapLayers = ({ details, entries }) => {
    for (const entry of entries) {
      const fitting = details.open && entry.isShown ? fittingExplanations(entry).filter(({ source }) => source.layer !== null) : [];
      entry.map?.remove();
      entry.map = null;
      const sentenceByLayer = entry.fact.querySelector(".by-layer");
      if (sentenceByLayer) sentenceByLayer.hidden = fitting.length > 1;
      if (fitting.length < 2) continue;
      fitting.sort((a, b) => a.source.layer - b.source.layer);
      entry.map = layerMap(entry.words.map((word) => word.textContent), fitting, entry.explanation, shade);
      entry.fact.append(entry.map);
    }
  };

  const query = () => choice("find").trim().toLowerCase();
  const FILTERS = ["find", "whole", "correct", "label", "predicted", "target", "head"];
  const isSet = (name) => control(name) && (name === "whole" ? control(name).checked : choice(name) !== (control(name).dataset.default ?? ""));
  const clearFilters = () => {
    chosenCell = null;
    for (const name of FILTERS.filter(isSet)) {
      control(name).value = control(name).dataset.default ?? "";
      control(name).checked = false;
    }
  };
  const matchingItems = (current) => {
    const sought = query(), whole = control("whole").checked, facets = facetChoices();
    const explained = { target: choice("target"), head: choice("head"), facets, key: facets.join() };
    const wanted = { correct: choice("correct"), predicted: choice("predicted"), label: choice("label") };
    for (const item of current) assess(item, explained);
    return current.filter((item) =>
      item.isShown &&
      (!sought || (whole ? item.wholeWords.has(sought) : item.content.includes(sought))) &&
      (!wanted.correct || item.correct === wanted.correct) &&
      (!wanted.predicted || item.predicted === wanted.predicted) &&
      (!wanted.label || item.label === wanted.label) &&
      (!chosenCell || isInCell(item, chosenCell.dataset)));
  };
  // The matrix is that of the probe that is explained first: a text stays in its cell whatever the slider shows.
  const isInCell = ({ task, label, first }, pair) => task === pair.task && label === pair.true && first.predicted === pair.predicted;
  const inOrder = (matching) => {
    const [key, sign] = choice("order").split(" ");
    if (!key) return matching;
    const value = (item) => (key === "certainty" ? item.certainty : item.card.dataset[key]);
    const rank = (item) => (value(item) === undefined ? Infinity : sign * value(item));
    return matching.sort((a, b) => rank(a) - rank(b));
  };
  const update = () => {
    const current = ofTask(), matching = inOrder(matchingItems(current)), shown = matching.slice(0, limit), toShow = new Set(shown);
    for (const item of visible) if (!toShow.has(item)) rest.append(item.card);
    shown.forEach((item, i) => {
      draw(item);
      // A card that is in its position already is not laid out again.
      if (list.children[i] !== item.card) list.insertBefore(item.card, list.children[i]);
    });
    visible = shown;
    const further = texts.querySelector(".further");
    further.hidden = matching.length <= limit;
    further.textContent = `Show ${Math.min(AT_ONCE, matching.length - limit)} more`;
    texts.querySelector(".found").textContent = matching.length ? `${matching.length} of ${current.length} texts` : "No texts match.";
    texts.querySelector(".clear").hidden = !FILTERS.some(isSet) && !chosenCell;
    const nOptions = [...texts.querySelectorAll(".options [data-use]")].filter(({ dataset }) => FILTERS.includes(dataset.use) && isSet(dataset.use) && !dataset.default).length;
    texts.querySelector(".options summary").textContent = nOptions ? `Options (${nOptions})` : "Options";
    drawLegend(shown.flatMap(({ entries }) => entries.filter(({ isShown }) => isShown).map((entry) => entry.explanation.source)));
    drawSlider();
    drawCell();
    point(null);
  };
  // The score with the fullest colour, and beside it that of differences of two classes.
  const drawLegend = (shown) => {
    const contrast = shown.find((source) => source.contrast), first = shown.find((source) => !source.contrast) ?? contrast;
    const text = ({ full, unit }) => choice("colours") === "text" ? "highest" : `${full.toFixed(2)} ${unit}`;
    if (first) for (const number of texts.querySelectorAll(".key .full")) number.textContent = text(first);
    const ofContrasts = texts.querySelector(".key .contrasts");
    if (!ofContrasts) return;
    ofContrasts.hidden = !contrast || contrast === first;
    if (contrast) ofContrasts.querySelector("bdi").textContent = text(contrast);
  };
  const updateChoices = () => {
    offerChoices();
    layers = explainedLayers();
    if (!layers.includes(layer)) layer = layers.includes(firstLayer()) ? firstLayer() : layers[0] ?? firstLayer();
  };
  const drawSlider = () => {
    const slider = control("layer");
    if (!slider) return;
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

  // A cell of a confusion matrix lists its explained texts.
  const cells = [...document.querySelectorAll("figure svg .point[data-true]")];
  const chip = texts.querySelector(".cell-filter");
  const drawCell = () => {
    for (const other of cells) other.setAttribute("aria-pressed", other === chosenCell);
    chip.hidden = !chosenCell;
    if (!chosenCell) return;
    const { true: label, predicted, explained, count } = chosenCell.dataset;
    const part = (text) => make("bdi", { textContent: text });
    chip.querySelector("span").replaceChildren("Filtered by: true ", part(label), ", predicted ", part(predicted), ` (${explained} of ${count} texts explained)`);
  };
  const showCell = (chosen) => {
    clearFilters();
    if (control("task")) control("task").value = chosen.dataset.task;
    chosenCell = chosen;
    layer = firstLayer();
    limit = AT_FIRST;
    refresh();
  };
  for (const figure of new Set(cells.map((element) => element.closest("figure")))) {
    figure.querySelector("figcaption .actions")?.before("Select a framed cell to list its explained texts. ");
  }
  for (const svg of new Set(cells.map((element) => element.closest("svg")))) {
    const ofMatrix = cells.filter((element) => svg.contains(element));
    // Parts of an image cannot be reached.
    svg.setAttribute("role", "group");
    rove(ofMatrix);
    for (const element of ofMatrix) {
      const { explained } = element.dataset;
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", `${tipOf(element)}; show ${explained === "1" ? "the explained one" : `the ${explained} explained`}`);
      const choose = () => {
        showCell(element);
        writeView(anchor, view());
        texts.scrollIntoView();
        chip.querySelector("button").focus({ preventScroll: true });
      };
      element.addEventListener("focus", () => point(element, tipOf(element)));
      element.addEventListener("blur", () => point(null));
      element.addEventListener("click", choose);
      element.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        choose();
      });
    }
  }

  const refresh = () => {
    updateChoices();
    update();
  };
  // Choices that are not as they were at first, as the end of an address.
  const choices = Object.entries(controls).filter(([, element]) => element.matches("select, [type=search], [type=checkbox]"));
  const valueOf = (element) => (element.type === "checkbox" ? (element.checked ? "1" : "") : element.value);
  const nameOf = (name, element) => (name === "task" ? element.selectedOptions[0].textContent : valueOf(element));
  const view = () => {
    const params = new URLSearchParams();
    for (const [name, element] of choices) if (valueOf(element) !== atFirst[name]) params.set(name, nameOf(name, element));
    if (layer !== firstLayer()) params.set("layer", layer);
    if (chosenCell) {
      params.set("cell-true", chosenCell.dataset.true);
      params.set("cell-predicted", chosenCell.dataset.predicted);
    }
    return params;
  };
  const setChoice = (name, element, wanted) => {
    if (element.type === "checkbox") element.checked = wanted === "1";
    else if (element.type === "search") element.value = wanted;
    else {
      const option = [...element.options].find(({ value, textContent, disabled }) => (name === "task" ? textContent : value) === wanted && !disabled);
      if (option) element.value = option.value;
    }
  };
  const showView = (params) => {
    clearFilters();
    for (const [name, element] of choices) if (element.matches("select")) element.value = atFirst[name];
    for (const [name, element] of choices) {
      if (!params.has(name)) continue;
      setChoice(name, element, params.get(name));
      if (name === "task") offerChoices();
    }
    layer = params.has("layer") ? Number(params.get("layer")) : firstLayer();
    chosenCell = cells.find(({ dataset }) => (!control("task") || dataset.task === choice("task")) && dataset.true === params.get("cell-true") && dataset.predicted === params.get("cell-predicted")) ?? null;
    limit = AT_FIRST;
    refresh();
    texts.scrollIntoView();
  };
  // A link to a text shows it, whatever was filtered.
  const showText = (item) => {
    clearFilters();
    if (control("task") && choice("task") !== item.task) {
      control("task").value = item.task;
      layer = firstLayer();
    }
    control("order").value = "";
    limit = Math.max(limit, ofTask().indexOf(item) + 1);
    refresh();
    item.details.open = true;
    item.card.scrollIntoView();
  };
  const followLink = () => {
    const params = viewInAddress(anchor), item = items.find(({ card }) => `#${card.id}` === location.hash);
    if (params) showView(params);
    else if (item) showText(item);
  };
  addEventListener("hashchange", followLink);

  for (const input of texts.querySelectorAll(".controls :is(input, select)")) {
    input.addEventListener("input", () => {
      if (input === control("layer")) layer = layers[input.value];
      if (input === control("task")) {
        layer = firstLayer();
        chosenCell = null;
      }
      limit = AT_FIRST;
      if (input === control("task") || FACETS.some((facet) => input === control(facet))) updateChoices();
      update();
      writeView(anchor, view());
    });
  }
  texts.querySelector(".further").addEventListener("click", () => {
    limit += AT_ONCE;
    update();
  });
  for (const button of texts.querySelectorAll(".clear, .cell-filter button")) {
    button.addEventListener("click", () => {
      if (button.matches(".clear")) clearFilters();
      chosenCell = null;
      limit = AT_FIRST;
      refresh();
      writeView(anchor, view());
      control("find").focus();
    });
  }
  const options = texts.querySelector(".options");
  options.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    options.open = false;
    options.querySelector("summary").focus();
  });
  addEventListener("click", (event) => {
    if (!options.contains(event.target)) options.open = false;
  });
  // On a phone the filters that are seldom used are among the options.
  const narrow = matchMedia("(max-width: 46rem)");
  const seldomUsed = SELDOM_USED.flatMap((name) => control(name)?.closest("label") ?? []);
  const arrange = () => {
    if (narrow.matches) options.querySelector("div").prepend(...seldomUsed);
    else options.before(...seldomUsed);
  };
  narrow.addEventListener("change", arrange);
  arrange();
  for (const part of texts.querySelectorAll(".tools")) part.hidden = false;
  refresh();
  const atFirst = Object.fromEntries(choices.map(([name, element]) => [name, valueOf(element)]));
  followLink();
};

for (const texts of document.querySelectorAll(".texts")) explore(texts);
