// A map of a text's scores: a row for each layer, a column for each word.
const layerMap = (words, explanations, current, shade) => {
  const caption = "Scores by layer and word, with each layer's prediction";
  const heading = words.map((word) => make("th", { scope: "col" }, make("span", { textContent: word, title: word })));
  const rows = explanations.map((explanation) => {
    const { source, predicted, probability, word_scores: scores } = explanation;
    const title = make("th", { scope: "row" }, `layer ${source.layer}: `, make("bdi", { textContent: predicted }), ` ${tenths(probability)}`);
    const cells = words.map((word, k) => {
      const cell = shade(make("td"), scores[k], source.full);
      cell.setAttribute("aria-label", cell.dataset.tip);
      cell.dataset.name = `layer ${source.layer}, ${word.trim()}`;
      return cell;
    });
    return make("tr", { className: explanation === current ? "current" : "" }, title, ...cells);
  });
  const table = make("table", { className: "layer-map" }, make("thead", {}, make("tr", {}, make("td"), ...heading)), make("tbody", {}, ...rows));
  table.setAttribute("aria-label", caption);
  const region = make("div", { className: "scroll" }, table);
  makeReachable(region, `${caption}: the arrow keys go from cell to cell`, neighbour);
  return region;
};
