// A formula in each line of the input, as JSON; its HTML or what is wrong with it in each line of the output.
const katex = require("katex");

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { latex, display } = JSON.parse(line);
  let answer;
  try {
    const html = katex.renderToString(latex, { displayMode: display, strict: false, throwOnError: true });
    const needless = /<annotation.*?<\/annotation>|<\/?semantics>| xmlns="[^"]*"/gs; // in a page of HTML
    answer = { html: html.replace(needless, "") };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
