// Rows of like things are one stop of the Tab key each; arrow keys go from one thing to the next.
const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
// The nearest element in the direction of an arrow key, the first or the last one; undefined for other keys.
const neighbour = (elements, current, key) => {
  if (key === "Home") return elements[0];
  if (key === "End") return elements.at(-1);
  if (!ARROWS[key]) return undefined;
  const middle = (element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  };
  const [x, y] = middle(current), [right, down] = ARROWS[key];
  let nearest = current, least = Infinity;
  for (const element of elements) {
    const [left, top] = middle(element);
    const ahead = (left - x) * right + (top - y) * down, aside = Math.abs((left - x) * down) + Math.abs((top - y) * right);
    const distance = ahead + 3 * aside;
    if (ahead > 1 && distance < least) [nearest, least] = [element, distance];
  }
  return nearest;
};

// A line or a table of scores: the one that the arrow keys went to says its score in the tip.
function makeReachable(region, label, next) {
  let current = null;
  const scored = () => [...region.querySelectorAll("[data-tip]")];
  const go = (target) => {
    current?.classList.remove("here");
    current = target ?? null;
    if (!current) return;
    current.classList.add("here");
    if (region.scrollWidth > region.clientWidth) current.scrollIntoView({ block: "nearest", inline: "nearest" });
    point(current, `${current.dataset.name ?? current.textContent.trim()} ${tipOf(current)}`);
  };
  const start = (all) => (all.includes(current) ? current : all[0]);
  region.tabIndex = 0;
  region.setAttribute("role", "group");
  region.setAttribute("aria-label", label);
  region.addEventListener("focus", () => region.matches(":focus-visible") && go(start(scored())));
  region.addEventListener("blur", () => {
    current?.classList.remove("here");
    point(null);
  });
  region.addEventListener("keydown", (event) => {
    const all = scored(), target = all.length ? next(all, start(all), event.key) : undefined;
    if (target === undefined) return;
    event.preventDefault();
    go(target);
  });
}
const nextInLine = (all, current, key) => {
  const steps = { ArrowRight: 1, ArrowLeft: -1 }, end = { Home: 0, End: all.length - 1 }[key];
  if (end !== undefined) return all[end];
  return steps[key] ? all[Math.max(0, Math.min(all.indexOf(current) + steps[key], all.length - 1))] : undefined;
};
const makeLineReachable = (line) => makeReachable(line, "Scores: the arrow keys go from word to word", nextInLine);
// Buttons of which one is a stop of the Tab key.
const rove = (buttons) => {
  const stop = (button) => {
    for (const other of buttons) other.setAttribute("tabindex", other === button ? "0" : "-1");
  };
  for (const button of buttons) {
    button.addEventListener("focus", () => stop(button));
    button.addEventListener("keydown", (event) => {
      const target = neighbour(buttons, button, event.key);
      if (!target) return;
      event.preventDefault();
      target.focus();
    });
  }
  if (buttons.length) stop(buttons[0]);
};
// The buttons that save are one stop in a section, and one in each of its folds; the arrow keys go to the others.
const saveButtons = Map.groupBy?.(document.querySelectorAll(".save"), (button) => button.closest("details, section")) ?? new Map();
for (const buttons of saveButtons.values()) rove(buttons);
