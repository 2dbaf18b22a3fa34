const article = document.querySelector("article");
const prose = article ? article.cloneNode(true) : document.createElement("article");
prose.querySelectorAll("code, pre, .katex, .math, svg, script, style, .sources, [lang=en], [hreflang=en]")
  .forEach((part) => part.remove());
const words = prose.textContent;

const headings = {};
for (const section of document.querySelectorAll("article section")) {
  const heading = section.querySelector(":scope > h1, :scope > h2");
  if (!heading) continue;
  const inside = (what) => section.querySelectorAll(what).length;
  headings[heading.textContent.replace(/[#¶]$/, "").trim()] = {
    panels: inside("svg"), formulas: inside(".katex-display"), code: inside("pre"), items: inside("li"),
  };
}

// The theme cuts off what is too wide: what reaches over the edge counts, unless it scrolls in a box of its own.
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
const reaches = (element) => {
  for (let e = element.parentElement; e && e !== article; e = e.parentElement) if (scrolls(e)) return 0;
  return element.closest(".katex-mathml") ? 0 : element.getBoundingClientRect().right;
};
const inside = article ? [...article.querySelectorAll("*")] : [];
const right = Math.max(document.documentElement.scrollWidth, ...inside.map(reaches));

return {
  language: document.documentElement.lang,
  other: document.querySelector("a.language")?.href ?? "",
  wider: Math.floor(right - window.innerWidth),
  chinese: (words.match(/[\u3400-\u9fff]/g) || []).length,
  latin: (words.match(/[A-Za-z]/g) || []).length,
  headings,
  links: [...document.querySelectorAll("a[href]")].map((a) => a.href).filter((href) => href.startsWith("file:")),
};
