"use strict";
// The page is complete without this: it finds, filters, orders and recolours the explained texts, says exact values
// where one points, and saves figures and tables.

const UNIT = 10000, SHADES = 8, AT_FIRST = 5, AT_ONCE = 20, LEAST_LISTED = 50;
const FACETS = ["pooling", "method", "baseline"], SELDOM_USED = ["correct", "order", "target"];
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const signed = (whole, digits = 4) => {
  const text = Math.abs(whole / UNIT).toFixed(digits);
  return Number(text) === 0 ? text : (whole < 0 ? "−" : "+") + text;
};

// One tip for the page: what a word or a point of a figure is worth.
const tip = make("output", { className: "tip", hidden: true });
document.body.append(tip);
let pointed = null;
const point = (target, text) => {
  pointed = text ? target : null;
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const box = target.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const left = Math.max(4, Math.min(box.left + box.width / 2 - size.width / 2, document.documentElement.clientWidth - size.width - 4));
  const above = box.top - size.height - 6;
  tip.style.left = `${left}px`;
  tip.style.top = `${above < 4 ? box.bottom + 6 : above}px`;
};
const tipOf = (element) => element.dataset.tip ?? element.querySelector(":scope > title")?.textContent;
addEventListener("pointerover", (event) => {
  const target = event.target.closest?.("[data-tip], figure svg .point");
  point(target, target && tipOf(target));
});
// The tip of a word that the keyboard went to follows it: the page scrolls there smoothly.
addEventListener("scroll", () => (pointed?.matches(".here") ? point(pointed, tip.textContent) : point(null)), { passive: true });
addEventListener("keydown", (event) => {
  if (event.key === "Escape") point(null);
});

