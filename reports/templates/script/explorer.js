// Explained texts. Scores are whole numbers of 1 / UNIT.
const explore = (texts) => {
  const { columns, classes, sources, texts: entriesOfTexts } = JSON.parse(texts.querySelector("script").textContent);
  // A row of the data becomes an object with a value for each column.
  const explanation = (row) => {
    const values = Object.fromEntries(columns.map((column, i) => [column, row[i]]));
    return { ...values, source: sources[values.source], predicted: classes[values.predicted] };
  };
  for (const entry of entriesOfTexts.flat()) entry.explanations = entry.explanations.map(explanation);
  const allExplanations = entriesOfTexts.flat().flatMap((entry) => entry.explanations);
  const list = texts.querySelector(".cards"), tools = texts.querySelector(".tools");
  const control = (name) => tools.querySelector(`[data-use=${name}]`);
  const choice = (name) => control(name)?.value ?? "";
  const cards = [...texts.querySelectorAll(".card")];
  texts.querySelector(".more")?.remove();
  for (const card of cards) card.hidden = true;
  list.append(...cards);
  let limit = AT_ONCE, visible = [];

  const items = cards.map((card, i) => {
    const entries = [...card.querySelectorAll(".worded")].map((element, j) => {
      const text = element.querySelector(".text");
      const words = [...text.children].filter((word) => !word.matches(".cut, .unseen"));
      for (const word of words) word.removeAttribute("title");
      let head = element.querySelector(".head");
      if (!head) element.prepend((head = make("p", { className: "head" })));
      const pieces = make("ul", { className: "pieces", hidden: true });
      text.after(pieces);
      const strongest = element.querySelector(".strongest");
      for (const line of [text, pieces]) makeReachable(line);
      return { element, text, words, head, pieces, sums: element.querySelector(".adds"), strongest, firstStrongest: strongest.textContent, ...entriesOfTexts[i][j] };
    });
    const copy = make("button", { type: "button", className: "save", textContent: "Copy scores as CSV" });
    copy.addEventListener("click", () => copyText(copy, scoreTable(items[i])));
    card.append(copy);
    const content = [...card.querySelectorAll(".text")].map((text) => text.textContent).concat(card.dataset.place).join(" ").toLowerCase();
    const wholeWords = new Set(entries.flatMap((entry) => entry.words.map((word) => word.textContent.toLowerCase())));
    return { card, entries, content, wholeWords };
  });

  // A choice that no explanation fits, together with those before it, cannot be made.
  const offerChoices = () => {
    let fitting = allExplanations.map((explanation) => explanation.source);
    for (const facet of FACETS) {
      const select = control(facet);
      if (!select) continue;
      const values = new Set(fitting.map((source) => source[facet]));
      for (const option of select.options) option.disabled = !values.has(option.value);
      if (select.selectedOptions[0].disabled) select.value = [...select.options].find((option) => !option.disabled).value;
      fitting = fitting.filter((source) => source[facet] === select.value);
    }
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
    for (const { entries } of items) {
      for (const entry of entries) {
        if (entry.explanations.length > 1) for (const { source } of fittingExplanations(entry)) layers.add(source.layer);
      }
    }
    return [...layers].filter((layer) => layer !== null).sort((a, b) => a - b);
  };
  let layers = explainedLayers(), layer = allExplanations.length ? allExplanations[0].source.layer : null;

  const sumsOf = (explanation, isFirst) => {
    const { sum, difference, delta, source } = explanation;
    const parts = [`Scores add up to ${signed(sum, 2)}${delta === null ? "" : ` of ${signed(difference, 2)}`} ${source.unit}`];
    if (delta !== null) parts.push(`convergence delta ${signed(delta, 3)}${explanation.converged ? "" : ", not converged"}`);
    if (explanation.n_steps !== null) parts.push(`${explanation.n_steps} steps`);
    if (!isFirst && explanation.correlation !== null) parts.push(`rank correlation with the explanation shown first ${signed(explanation.correlation, 2).replace("+", "")}`);
    parts.push(source.method, `from ${source.baseline}`);
    return `${parts.join("; ")}.`;
  };
  const tokenScores = (explanation) => explanation.token_scores || explanation.word_scores;
  const colour = (item) => {
    const asPieces = choice("scores") === "pieces";
    for (const entry of item.entries) {
      const fitting = fittingExplanations(entry);
      const explanation = fitting.find(({ source }) => source.layer === layer) ?? fitting[0];
      const source = explanation.source, isFirst = explanation === entry.explanations[0];
      entry.explanation = explanation;
      entry.element.hidden = choice("head") !== "" && source.head !== choice("head");
      entry.head.replaceChildren(`${source.title}: `, make("bdi", { textContent: explanation.predicted }), ` ${explanation.probability}`);
      entry.sums.textContent = sumsOf(explanation, isFirst);
      for (const flag of entry.element.querySelectorAll(".flag")) flag.hidden = !isFirst;
      entry.strongest.textContent = isFirst ? entry.firstStrongest : strongestWords(entry, explanation.word_scores);
      entry.text.hidden = asPieces;
      entry.pieces.hidden = !asPieces;
      if (asPieces) {
        const scores = tokenScores(explanation);
        entry.pieces.replaceChildren(...entry.tokens.map((token, k) =>
          make("li", {}, shade(make("bdi", { textContent: token }), scores[k], source.full), " ", make("span", { textContent: signed(scores[k]) }))));
      } else entry.words.forEach((word, k) => shade(word, explanation.word_scores[k], source.full));
    }
  };
  const strongestWords = (entry, scores) => {
    const ranked = scores.map((score, k) => [score ?? 0, entry.words[k].textContent]).sort((a, b) => b[0] - a[0]);
    const listed = (pairs) => pairs.slice(0, 4).map(([score, word]) => `“${word.trim()}” ${signed(score, 2)}`).join(", ");
    const sides = [
      ["for", listed(ranked.filter(([score]) => score >= LEAST_LISTED))],
      ["against", listed(ranked.filter(([score]) => score <= -LEAST_LISTED).reverse())],
    ];
    const parts = sides.filter(([, words]) => words).map(([side, words]) => `${side} it: ${words}`);
    return parts.length ? `Strongest ${parts.join("; ")}.` : "";
  };
  const shade = (element, score, full) => {
    const level = Math.min(SHADES, Math.ceil(SHADES * Math.abs(score ?? 0) / UNIT / full - 0.5));
    if (!element.matches(".special")) element.className = level > 0 ? (score > 0 ? "p" : "n") + level : "";
    element.dataset.tip = score === null ? "–" : signed(score);
    return element;
  };

  const update = () => {
    const query = choice("find").trim().toLowerCase(), whole = control("whole").checked;
    const matching = items.filter(({ card, content, wholeWords }) =>
      (!query || (whole ? wholeWords.has(query) : content.includes(query))) &&
      ["correct", "label", "predicted"].every((name) => !choice(name) || card.dataset[name] === choice(name)));
    const [key, sign] = choice("order").split(" ");
    if (key) {
      const rank = ({ card }) => (card.dataset[key] === undefined ? Infinity : sign * card.dataset[key]);
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
    const first = matching.length > shown.length ? `, the first ${shown.length} shown` : "";
    const total = `of ${items.length} texts`;
    tools.querySelector(".found").textContent = matching.length ? `${matching.length} ${total}${first}` : `0 ${total}: none fits all of this`;
    point(null);
  };
  const updateChoices = () => {
    offerChoices();
    layers = explainedLayers();
    const slider = control("layer");
    if (!slider) return;
    if (!layers.includes(layer)) layer = layers[0] ?? layer;
    slider.max = Math.max(0, layers.length - 1);
    slider.value = layers.indexOf(layer);
    slider.hidden = layers.length < 2;
    control("layer-name").textContent = `layer ${layer}`;
    slider.setAttribute("aria-valuetext", `layer ${layer}`);
  };

  const scoreTable = ({ card, entries }) => {
    const asPieces = choice("scores") === "pieces";
    const rows = [["place", "explained_by", "method", "baseline", "class", "minus", "unit", asPieces ? "piece" : "word", "score"]];
    for (const entry of entries.filter(({ element }) => !element.hidden)) {
      const { source } = entry.explanation;
      const scores = asPieces ? tokenScores(entry.explanation) : entry.explanation.word_scores;
      const tokens = asPieces ? entry.tokens : entry.words.map((word) => word.textContent);
      const facts = [card.dataset.place, source.title, source.method, source.baseline, entry.target, entry.against, source.unit].map((text) => cell(text));
      tokens.forEach((token, k) => rows.push([...facts, cell(token), scores[k] === null ? "" : scores[k] / UNIT]));
    }
    return csv(rows);
  };

  for (const input of tools.querySelectorAll("input, select")) {
    input.addEventListener("input", () => {
      if (input === control("layer")) layer = layers[input.value];
      limit = AT_ONCE;
      updateChoices();
      update();
    });
  }
  texts.querySelector(".further").addEventListener("click", () => {
    limit += AT_ONCE;
    update();
  });
  tools.hidden = false;
  updateChoices();
  update();
};

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

async function copyText(button, text) {
  const caption = button.textContent;
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
  setTimeout(() => (button.textContent = caption), 1500);
}

for (const texts of document.querySelectorAll(".texts")) explore(texts);

