// Puts the views together: the header, the tabs, the language, and the URL.
"use strict";

const views = { curves, expect, outlier, entropy, floats, lattice };
const main = document.querySelector("main");
let settling;

/** Draws the view anew; what had the focus keeps it. `rebuilt`: with its controls. */
const draw = (rebuilt = false) => {
  const focused = document.activeElement?.id;
  const view = views[state.view];
  if (rebuilt) view.build(main);
  view.update();
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
};

/** After a change of the state: the view shows it, and so does the address. */
const changed = (rebuilt = false) => {
  const view = views[state.view];
  draw(rebuilt);
  history.replaceState(null, "", `#${toFragment()}`);
  clearTimeout(settling);
  if (view.settle && !rebuilt) settling = setTimeout(view.settle, 250);
};

const show = () => {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  document.title = t("title");
  document.querySelectorAll("[data-text]").forEach((node) => (node.textContent = t(node.dataset.text)));
  for (const code of LANGUAGES)
    document.getElementById(`lang-${code}`).setAttribute("aria-pressed", String(language() === code));
  for (const name of VIEWS) {
    const tab = document.getElementById(`tab-${name}`);
    tab.textContent = t(`view ${name}`);
    tab.setAttribute("aria-selected", String(state.view === name));
    tab.tabIndex = state.view === name ? 0 : -1;
  }
  Object.assign(document.getElementById("handbook"), { hidden: !inHandbook, href: handbook("index.html") });
  main.setAttribute("aria-labelledby", `tab-${state.view}`);
  main.dataset.view = state.view;
  changed(true);
};

const open = (view) => {
  state.view = view;
  show();
  scrollTo({ top: 0 });
};

for (const code of LANGUAGES)
  document.getElementById(`lang-${code}`).addEventListener("click", () => {
    state.lang = code;
    show();
  });
const tabs = document.querySelector("[role=tablist]");
tabs.append(...VIEWS.map((name) => button("", () => open(name), { role: "tab", id: `tab-${name}`, "aria-controls": "view" })));
tabs.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = VIEWS[(VIEWS.indexOf(state.view) + step + VIEWS.length) % VIEWS.length];
  open(next);
  document.getElementById(`tab-${next}`).focus();
});
document.getElementById("share").addEventListener("click", async (event) => {
  await navigator.clipboard.writeText(location.href);
  const link = event.target;
  link.textContent = t("copied");
  setTimeout(() => (link.textContent = t("copy")), 1500);
});
addEventListener("hashchange", () => {
  fromFragment(location.hash.slice(1));
  show();
});
let width = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (contentRect.width === width) return;
  width = contentRect.width;
  draw();
}).observe(main);

window.lossaryExplorer = {
  value: (name, options, x) => formulas.losses[name]([x, 1], { ...compare.defaults(name), ...options })[0],
  gradient: (name, options, x) => formulas.losses[name]([x, 1], { ...compare.defaults(name), ...options })[1],
};

fromFragment(location.hash.slice(1));
show();
