// Saving: a figure as one SVG, a table as CSV.
const save = (content, kind, name) => {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type: kind })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
const fileName = (element, ending) => {
  const section = element.closest("section")?.id ?? "layerprobe";
  return `${element.closest("figure[id], .tabular[id]")?.id ?? section}.${ending}`;
};
// One stop of the Tab key for a figure or table: the button; its link is for pointers.
const saveButton = (element, kind, onClick) => {
  const actions = element.closest("figure, .tabular")?.querySelector(".actions");
  const link = actions?.querySelector(".anchor");
  if (link) link.tabIndex = -1;
  const button = make("button", { type: "button", className: "save", textContent: kind, title: `Save as ${kind}`, ariaLabel: `Save as ${kind}` });
  button.addEventListener("click", onClick);
  if (actions) actions.append(" ", button);
  else element.after(button);
};

// Figures. The page's colours are variables, each with the colour of the light page beside it.
const VARIABLE = /var\(--([\w-]+), ?([^()]*)\)/g;
const SVG = "http://www.w3.org/2000/svg";
const PANELS_IN_A_ROW = 3, PANEL_GAP = 24, LINE = 24, SWATCH = 22, FONT_SIZE = 13.5, EDGE = 8;
const makeSvg = (tag, attributes, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const sizeOf = (svg) => svg.getAttribute("viewBox").split(" ").slice(2).map(Number);
// A row of drawings becomes one: each below its heading, the legend below them all.
const joined = (figure, drawings) => {
  const [width, height] = ["0", "1"].map((axis) => Math.max(...drawings.map((svg) => sizeOf(svg)[axis])));
  const colours = Object.fromEntries([...figure.innerHTML.matchAll(VARIABLE)].map(([, name, colour]) => [name, colour]));
  const perRow = Math.min(PANELS_IN_A_ROW, drawings.length);
  const headings = drawings.map((svg) => svg.parentElement.querySelector("h3, h4")?.textContent ?? "");
  const top = headings.some(Boolean) ? LINE : 0, rowHeight = top + height + PANEL_GAP;
  const whole = makeSvg("svg", { "font-size": FONT_SIZE });
  drawings.forEach((svg, i) => {
    const x = (i % perRow) * (width + PANEL_GAP), y = Math.floor(i / perRow) * rowHeight;
    const [ownWidth, ownHeight] = sizeOf(svg), copy = svg.cloneNode(true);
    for (const [key, value] of Object.entries({ x, y: y + top, width: ownWidth, height: ownHeight, overflow: "visible" })) copy.setAttribute(key, value);
    if (headings[i]) whole.append(makeSvg("text", { x, y: y + LINE - 8, "font-weight": "600", fill: colours.ink }, headings[i]));
    whole.append(copy);
  });
  let x = 0, y = Math.ceil(drawings.length / perRow) * rowHeight;
  const right = perRow * (width + PANEL_GAP) - PANEL_GAP, measure = make("canvas").getContext("2d");
  measure.font = `${FONT_SIZE}px sans-serif`;
  for (const entry of figure.querySelectorAll(".legend > span")) {
    const swatch = entry.querySelector(".swatch"), name = entry.textContent.trim();
    const length = SWATCH + 6 + measure.measureText(name).width;
    if (x > 0 && x + length > right) [x, y] = [0, y + LINE];
    const key = swatch?.style.getPropertyValue("--swatch").match(/--([\w-]+)/)?.[1];
    const stroke = colours[key] ?? colours.muted ?? "#555";
    if (swatch) whole.append(makeSvg("line", { x1: x, x2: x + SWATCH, y1: y - 5, y2: y - 5, stroke, "stroke-width": 3, "stroke-dasharray": swatch.matches(".dashed") ? "5 4" : "none" }));
    whole.append(makeSvg("text", { x: x + SWATCH + 6, y, fill: colours.ink }, name));
    x += length + PANEL_GAP;
  }
  whole.setAttribute("viewBox", `${-EDGE} ${-EDGE} ${right + 2 * EDGE} ${y + LINE / 2 + EDGE}`);
  return whole;
};
const drawingFile = (figure) => {
  const drawings = [...figure.querySelectorAll("svg")];
  const svg = drawings.length > 1 || figure.matches(".panels") ? joined(figure, drawings) : drawings[0].cloneNode(true);
  const [width, height] = sizeOf(svg);
  for (const [key, value] of Object.entries({ width, height, "font-family": "sans-serif" })) svg.setAttribute(key, value);
  return new XMLSerializer().serializeToString(svg).replace(VARIABLE, "$2");
};
for (const figure of document.querySelectorAll("figure")) {
  saveButton(figure, "SVG", () => save(drawingFile(figure), "image/svg+xml", fileName(figure, "svg")));
}

// Tables. A number is written in plain characters: `-0.2`, `83.4`, `1821`.
const plainNumbers = (text) =>
  text.replace(/−(?=[\d.])/g, "-").replace(/(\d),(?=\d{3})/g, "$1").replace(/(\d)[\u00a0\u202f]%/g, "$1%").replace(/[\u00a0\u202f]/g, " ");
const plainCell = (text, isNumber) => {
  const plain = text.replace(/[\u2066-\u2069]/g, "");
  if (isNumber) return plainNumbers(plain).replace(/^–$/, "");
  // A spreadsheet would run it as a formula.
  return /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
};
const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
const cell = (text, isNumber) => quoted(plainCell(text, isNumber));
// A column of `83.4 %`, `81.6 to 85.1`, `[81.6, 85.1]` or `−0.2 [−0.9, 0.5]` is one, two or three columns of numbers.
const NUMBER = String.raw`-?\d+(?:\.\d+)?(?:e[-+]?\d+)?`;
const ends = (lower, upper) => String.raw`[(\[]?(?:95 ?% CI )?(?<${lower}>${NUMBER})(?:,| to) (?<${upper}>${NUMBER})[)\]]?`;
const NUMBERS = new RegExp(`^(?:[+]?(?<value>${NUMBER})(?: ?%)?(?: (?=[(\\[])${ends("a", "b")})?|${ends("c", "d")})?$`);
const spread = (name, column) => {
  const isNumeric = column.some((td) => td.matches(".n"));
  const cells = column.map((td) => plainCell(td.textContent, isNumeric));
  const matches = cells.map((text) => text.match(NUMBERS));
  const numbers = matches.map((match) => ({ value: match?.groups.value, lower: match?.groups.a ?? match?.groups.c, upper: match?.groups.b ?? match?.groups.d }));
  const endings = Object.entries({ value: "", lower: " lower", upper: " upper" }).filter(([key]) => numbers.some((row) => row[key]));
  if (!isNumeric || !matches.every((match) => match) || !endings.length) return { names: [columnName(name)], cells: cells.map((text) => [quoted(text)]) };
  const unit = cells.some((text) => text.includes("%")) && !/%|percent/.test(name) ? " percent" : "";
  return { names: endings.map(([, ending]) => columnName(name + unit + ending)), cells: numbers.map((row) => endings.map(([key]) => row[key] ?? "")) };
};
// `test accuracy (%)` is `test_accuracy_percent`, `95 % CI` is `ci95`: names that R and pandas take as they are.
const columnName = (text) =>
  text.replace(/95[ \u00a0]%[ \u00a0](CI|interval)/g, "ci95").replace(/%/g, "percent").replace(/[^\p{L}\p{M}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "") || "column";
const columnNames = (names) => {
  // An interval without a name is that of the column before it.
  const named = names.map((text, i) => (/^95[ \u00a0]%[ \u00a0](CI|interval)$/.test(text.trim()) && i > 0 ? `${names[i - 1]} ${text}` : text || (i ? `column ${i + 1}` : "row")));
  return named.map((text, i) => (named.indexOf(text) < i ? `${text} ${i + 1}` : text));
};
const csv = (rows) => rows.map((row) => row.join(",")).join("\r\n") + "\r\n";
const tableFile = (table) => {
  const [heads, ...rows] = [...table.rows].map((row) => [...row.cells]);
  const names = columnNames(heads.map((head) => head.textContent));
  const columns = names.map((name, i) => spread(name, rows.map((row) => row[i])));
  const heading = columns.flatMap((column) => column.names);
  return csv([heading, ...rows.map((_, j) => columns.flatMap((column) => column.cells[j]))]);
};
for (const table of document.querySelectorAll("table:not(.tasks)")) {
  saveButton(table, "CSV", () => save(tableFile(table), "text/csv", fileName(table, "csv")));
}
