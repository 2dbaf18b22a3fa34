// What is cut or too small on a page of `lossary report`, in pixels of the window.
const width = document.documentElement.clientWidth;
const texts = [...document.querySelectorAll("svg text")];
const boxes = texts.map((text) => ({ text: text.textContent, box: text.getBoundingClientRect(), size: parseFloat(getComputedStyle(text).fontSize) }));
const scale = (text) => text.closest("svg").getBoundingClientRect().width / text.closest("svg").viewBox.baseVal.width;
const contents = [...document.querySelectorAll("details > .table")];
return {
  lang: document.documentElement.lang,
  wider: document.documentElement.scrollWidth - width,
  cut: boxes.filter(({ box }) => box.left < 0 || box.right > width).map(({ text }) => text),
  smallest: Math.min(...boxes.map(({ size }, i) => size * scale(texts[i]))),
  room: document.querySelector("main").getBoundingClientRect().width,
  beside: [...document.querySelectorAll("figure")].some((figure) => {
    const here = figure.getBoundingClientRect();
    return [...document.querySelectorAll("figure, .tables")].some((other) => {
      const there = other.getBoundingClientRect();
      return there.left >= here.right && there.top < here.bottom && there.bottom > here.top;
    });
  }),
  scrolled: [...document.querySelectorAll(".table")].filter((table) => (table.scrollWidth > table.clientWidth + 1 || table.scrollHeight > table.clientHeight + 1) && getComputedStyle(table).overflowX !== "visible").length,
  clipped: [...document.querySelectorAll("table")].filter((table) => table.getBoundingClientRect().right > width + 1).length,
  hidden: contents.filter((table) => !table.checkVisibility({ contentVisibilityAuto: true }) || !table.getBoundingClientRect().height).length,
  folded: contents.length,
};
