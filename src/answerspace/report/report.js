// The report page. It reads the data element, draws the map with ECharts and keeps one small state.
// Texts reach the page through textContent only, so whatever they contain stays text.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const n = data.texts.length;
const count = (k, one = "text") => `${k.toLocaleString("en")} ${one}${k === 1 ? "" : "s"}`;

// Okabe-Ito, with its yellow and black exchanged for Tol's wine and olive; lighter twins for the dark page.
const COLOURS = {
  light: ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#7A7A17"],
  dark: ["#4A9FE0", "#F2763A", "#1DBE90", "#E59CC8", "#F3B437", "#93D6FF", "#D2558F", "#BDBD4F"],
};
const SYMBOLS = ["circle", "triangle", "rect", "diamond"]; // a new shape each time the colours are used up
const NOISE = { light: "#A6A6A0", dark: "#6C747B" };
const MOVE_LIMIT = 4000; // more points than this regroup at once, without the flight
// Flying needs an element for each dot; above the limit dots are drawn in chunks, so the page never stands still.
const PROGRESS = { progressive: 4000, progressiveThreshold: MOVE_LIMIT };
const MOVE_MS = 1100;
const FADE_MS = 350;
const PAGE_SIZE = 50;

const state = {
  question: 0,
  selection: null, // {kind: "group" | "search" | "cell", title, rows, ...} or null
  focused: null, // the row whose dot has the ring
  colours: [], // per row, as drawn now
  switching: 0, // counts switches, so a late frame of an old one stops
};
let chart = null;

// 1) Names, colours and shapes of groups

/** Add to each cluster of a question: name, place in display order, rows. */
function prepare(question) {
  const rowsOf = new Map(question.clusters.map((cluster) => [cluster.label, []]));
  question.labels.forEach((label, row) => rowsOf.get(label).push(row));
  const taken = new Set();
  let place = 0;
  for (const cluster of question.clusters) {
    cluster.rows = rowsOf.get(cluster.label);
    cluster.place = cluster.label === -1 ? -1 : place++;
    cluster.name = nameOf(cluster, taken);
    taken.add(cluster.name);
  }
  question.byLabel = new Map(question.clusters.map((cluster) => [cluster.label, cluster]));
}

const NO_GROUP = "No group";

function nameOf(cluster, taken) {
  if (cluster.name) return cluster.name;
  if (cluster.label === -1) return NO_GROUP;
  const words = cluster.words.length ? cluster.words : cluster.headWords;
  for (let k = Math.min(3, words.length); k && k <= words.length; k++) {
    const name = words.slice(0, k).join(", ");
    if (!taken.has(name)) return name.charAt(0).toLocaleUpperCase() + name.slice(1);
  }
  return `Group ${cluster.place + 1}`;
}

const theme = () => document.documentElement.dataset.theme;
const colourOf = (cluster) =>
  cluster.place < 0 ? NOISE[theme()] : COLOURS[theme()][cluster.place % COLOURS.light.length];
const symbolOf = (cluster) =>
  cluster.place < 0 ? "circle" : SYMBOLS[Math.floor(cluster.place / COLOURS.light.length) % SYMBOLS.length];
const current = () => data.questions[state.question];
const clusterOf = (row, question = current()) => question.byLabel.get(question.labels[row]);
const answerOf = (row, question = current()) => question.answers.values[question.answers.rows[row]];

// 2) Small page parts

function make(tag, properties = {}, ...children) {
  const { dataset, style, aria, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset);
  Object.assign(element.style, style);
  for (const [name, value] of Object.entries(aria ?? {})) element.setAttribute(`aria-${name}`, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SHAPES = { circle: "M7 1a6 6 0 1 0 .01 0z", triangle: "M7 1 13 13H1z", rect: "M1.5 1.5h11v11h-11z", diamond: "M7 0 14 7 7 14 0 7z" };

function swatch(cluster) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[symbolOf(cluster)]);
  path.setAttribute("fill", colourOf(cluster));
  svg.append(path);
  svg.setAttribute("viewBox", "0 0 14 14");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

/** The text as nodes, with each hit of the search marked. */
function marked(text, needle) {
  if (!needle) return [text];
  const parts = [];
  const low = text.toLowerCase();
  let at = 0;
  // Lower-casing may change the length of a text (İ); then hits cannot be placed and the text stays unmarked.
  if (low.length !== text.length) return [text];
  for (let hit = low.indexOf(needle); hit >= 0; hit = low.indexOf(needle, at)) {
    parts.push(text.slice(at, hit), make("mark", { textContent: text.slice(hit, hit + needle.length) }));
    at = hit + needle.length;
  }
  parts.push(text.slice(at));
  return parts;
}

function answerLine(row) {
  const line = make("span", { className: "answer" }, "Answer: ", make("b", { textContent: answerOf(row) || "(none)" }));
  if (data.gold && data.gold.values[data.gold.rows[row]]) line.append(` · Your label: ${data.gold.values[data.gold.rows[row]]}`);
  return line;
}

// 3) The map

const dotSize = () => (n <= 500 ? 11 : n <= 1500 ? 9 : n <= MOVE_LIMIT ? 7 : n <= 10000 ? 5 : 4);

function createChart() {
  chart = echarts.init(byId("map"), null, { renderer: "canvas" });
  const axis = { type: "value", show: false, min: 0, max: data.grid };
  const zoom = { type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false, preventDefaultMouseMove: false, throttle: 60 };
  chart.setOption({
    animation: true,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    animationThreshold: MOVE_LIMIT + 1,
    animationDuration: 0,
    animationDurationUpdate: 0,
    animationEasingUpdate: "cubicInOut",
    grid: { left: 28, right: 28, top: 28, bottom: 28 },
    xAxis: axis,
    yAxis: axis,
    dataZoom: [{ ...zoom, xAxisIndex: 0 }, { ...zoom, yAxisIndex: 0 }],
    series: [
      { id: "dots", type: "scatter", silent: true, zlevel: 0, data: [], ...PROGRESS },
      { id: "chosen", type: "scatter", silent: true, zlevel: 1, data: [], ...PROGRESS },
      {
        id: "names", type: "scatter", silent: true, zlevel: 2, symbolSize: 1, itemStyle: { color: "transparent", opacity: 1 }, data: [],
        label: { show: true, formatter: (point) => point.data.name, fontSize: 13, lineHeight: 16, fontWeight: 650, textBorderWidth: 3.5, width: 170, overflow: "break" },
        labelLayout: { hideOverlap: true },
      },
    ],
  });
  fitAxes();
  new ResizeObserver(() => { chart.resize(); fitAxes(); placeRing(); }).observe(byId("map"));
  chart.on("datazoom", () => { byId("hover").hidden = true; placeRing(); });
}

/** Keep one scale for both axes: the shorter side of the frame shows the whole grid. */
function fitAxes() {
  const across = Math.max(1, chart.getWidth() - 56);
  const down = Math.max(1, chart.getHeight() - 56);
  const spare = (long, short) => (data.grid * Math.max(0, long / short - 1)) / 2;
  const stretch = (extra) => ({ min: -extra, max: data.grid + extra });
  // A very wide frame would leave most of itself empty: let x be up to 1.5 times as stretched as y.
  const [wide, tall] = [across / 1.5 > down ? across / 1.5 : Math.min(across, down), down];
  chart.setOption({ xAxis: stretch(spare(wide, tall)), yAxis: stretch(spare(tall, across)) });
}

const point = (row, question = current()) => [question.xy[2 * row], question.xy[2 * row + 1]];

function dots(colours, symbols, extra = {}) {
  const noise = (row) => clusterOf(row).place < 0;
  const size = dotSize();
  return {
    id: "dots",
    data: data.texts.map((_, row) => point(row)),
    symbol: (_, { dataIndex }) => symbols[dataIndex],
    symbolSize: (_, { dataIndex }) => (noise(dataIndex) ? size * 0.7 : size),
    itemStyle: { color: ({ dataIndex }) => colours[dataIndex], opacity: n <= MOVE_LIMIT ? 0.85 : 0.7 },
    ...extra,
  };
}

const coloursNow = () => data.texts.map((_, row) => colourOf(clusterOf(row)));
const symbolsNow = (question = current()) => data.texts.map((_, row) => symbolOf(clusterOf(row, question)));

/** Where each group's name goes: the median of its dots. */
function names() {
  const style = getComputedStyle(document.documentElement);
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const shown = current().clusters.filter((cluster) => cluster.place >= 0 && cluster.rows.length);
  return {
    id: "names",
    label: { color: style.getPropertyValue("--ink"), textBorderColor: style.getPropertyValue("--card") },
    data: shown.map((cluster) => ({
      name: cluster.name,
      value: [median(cluster.rows.map((row) => point(row)[0])), median(cluster.rows.map((row) => point(row)[1]))],
    })),
  };
}

function chosen() {
  const rows = state.selection ? state.selection.rows : [];
  const size = dotSize() * (rows.length < 2000 ? 1.25 : 1);
  const edge = getComputedStyle(document.documentElement).getPropertyValue("--card");
  return {
    id: "chosen",
    data: rows.map((row) => ({ value: point(row), symbol: symbolOf(clusterOf(row)), itemStyle: { color: colourOf(clusterOf(row)) } })),
    symbolSize: size,
    itemStyle: { borderColor: edge, borderWidth: rows.length < 2000 ? 1 : 0 },
  };
}

function drawAtOnce() {
  state.switching++;
  state.colours = coloursNow();
  chart.setOption({ series: [dots(state.colours, symbolsNow(), { animationDurationUpdate: 0 }), chosen(), names()] });
}

/** First the dots fly to their new places in their old colours, so the old groups are seen to break up; then they recolour. */
function drawMoving(previous) {
  const ticket = ++state.switching;
  const before = state.colours;
  const after = coloursNow();
  chart.setOption({ series: [dots(before, symbolsNow(previous), { animationDurationUpdate: MOVE_MS }), chosen(), { id: "names", data: [] }] });
  const start = performance.now() + MOVE_MS;
  const fade = (now) => {
    if (ticket !== state.switching) return;
    const part = Math.min(1, Math.max(0, (now - start) / FADE_MS));
    if (part > 0) {
      state.colours = before.map((colour, row) => mix(colour, after[row], part));
      chart.setOption({ series: [dots(state.colours, symbolsNow(), { animationDurationUpdate: 0 })] });
    }
    if (part < 1) requestAnimationFrame(fade);
    else chart.setOption({ series: [names()] });
  };
  requestAnimationFrame(fade);
}

function mix(from, to, part) {
  if (part >= 1 || from === to) return to;
  const channels = (colour) => (colour[0] === "#" ? [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)) : colour.match(/\d+/g).map(Number));
  const [a, b] = [channels(from), channels(to)];
  return `rgb(${a.map((value, i) => Math.round(value + (b[i] - value) * part)).join(",")})`;
}

const pixelOf = (row) => chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, point(row));

/** The row whose dot is nearest to a place on the map, or null if none is near enough. */
function rowAt(x, y) {
  const { xy } = current();
  const zero = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [0, 0]);
  const one = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [data.grid, data.grid]);
  const [scaleX, scaleY] = [(one[0] - zero[0]) / data.grid, (one[1] - zero[1]) / data.grid];
  const reach = Math.max(9, dotSize());
  let best = null;
  let least = reach * reach;
  for (let row = 0; row < n; row++) {
    const dx = zero[0] + xy[2 * row] * scaleX - x;
    const dy = zero[1] + xy[2 * row + 1] * scaleY - y;
    const distance = dx * dx + dy * dy;
    if (distance <= least) [best, least] = [row, distance];
  }
  return best;
}

function placeRing(row = state.focused) {
  const ring = byId("ring");
  ring.hidden = row === null;
  if (row === null) return;
  const [x, y] = pixelOf(row);
  ring.style.transform = `translate(${x}px, ${y}px)`;
}

function showHover(row, x, y) {
  const box = byId("hover");
  byId("map").classList.toggle("on-dot", row !== null);
  box.hidden = row === null;
  placeRing(row ?? state.focused);
  if (row === null) return;
  const cluster = clusterOf(row);
  box.replaceChildren(
    make("div", { className: "text", textContent: data.texts[row] }),
    answerLine(row),
    make("div", { className: "answer head-line" }, swatch(cluster), cluster.name),
  );
  const frame = byId("map").getBoundingClientRect();
  const left = x + 18 + box.offsetWidth > frame.width ? Math.max(4, x - 18 - box.offsetWidth) : x + 18;
  const top = Math.max(4, Math.min(y + 14, frame.height - box.offsetHeight - 4));
  box.style.transform = `translate(${left}px, ${top}px)`;
}

function listenToMap() {
  const surface = chart.getZr();
  surface.on("mousemove", (event) => showHover(rowAt(event.offsetX, event.offsetY), event.offsetX, event.offsetY));
  surface.on("globalout", () => showHover(null));
  surface.on("click", (event) => {
    const row = rowAt(event.offsetX, event.offsetY);
    if (row === null) return clear();
    selectGroup(clusterOf(row));
    focusRow(row);
  });
  const zoomBy = (factor) => {
    const { start, end } = chart.getOption().dataZoom[0];
    const half = Math.min(50, Math.max(1, ((end - start) / 2) * factor));
    const zoomed = chart.getOption().dataZoom.map((range) => {
      const middle = Math.min(100 - half, Math.max(half, (range.start + range.end) / 2));
      return { start: middle - half, end: middle + half };
    });
    chart.dispatchAction({ type: "dataZoom", batch: zoomed.map((range, dataZoomIndex) => ({ dataZoomIndex, ...range })) });
  };
  byId("zoom-in").onclick = () => zoomBy(0.6);
  byId("zoom-out").onclick = () => zoomBy(1 / 0.6);
  byId("zoom-reset").onclick = () => zoomBy(1000);
}

// 4) What is selected

function select(selection) {
  state.selection = selection;
  state.focused = null;
  chart.setOption({ series: [chosen()] });
  byId("map").classList.toggle("dimmed", selection !== null);
  placeRing();
  drawInspector();
  drawPressed();
  byId("status").textContent = selection ? `${selection.title}: ${count(selection.rows.length)}` : "";
}

function clear() {
  byId("search").value = "";
  if (state.selection || state.focused !== null) select(null);
}

function selectGroup(cluster) {
  byId("search").value = "";
  const typical = new Set(cluster.typical);
  const rows = [...cluster.typical.filter((row) => clusterOf(row) === cluster), ...cluster.rows.filter((row) => !typical.has(row))];
  select({ kind: "group", title: cluster.name, rows, cluster });
}

function search(words) {
  const needle = words.trim().toLowerCase();
  if (!needle) return clear();
  const rows = [];
  lowered().forEach((text, row) => text.includes(needle) && rows.push(row));
  return select({ kind: "search", title: `“${words.trim()}”`, rows, needle });
}

let loweredTexts = null;
const lowered = () => (loweredTexts ??= data.texts.map((text) => text.toLowerCase()));

function selectCell(rowCluster, columnCluster) {
  byId("search").value = "";
  const rows = crossRows(rowCluster, columnCluster);
  select({ kind: "cell", title: `${rowCluster.name} × ${columnCluster.name}`, rows, cell: [rowCluster, columnCluster] });
  if (matchMedia("(max-width: 860px)").matches) byId("inspector").scrollIntoView({ block: "start" });
}

function focusRow(row) {
  state.focused = row;
  placeRing();
  for (const button of byId("inspector").querySelectorAll(".texts button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.row) === row));
  }
}

// 5) The inspector: cards of all groups, or the selected texts

function drawInspector() {
  const box = byId("inspector");
  const hadFocus = box.contains(document.activeElement);
  box.replaceChildren(...(state.selection ? selectionParts(state.selection) : groupParts()));
  box.scrollTop = 0;
  if (hadFocus) box.focus({ preventScroll: true }); // what had it is gone; the next Tab goes on from here
}

function groupParts() {
  const found = current().clusters.filter((cluster) => cluster.place >= 0).length;
  const scores = Object.entries(current().scores).map(([name, value]) => `${SCORE_NAMES[name] ?? name} ${value.toFixed(2)}`);
  const head = make("header", {},
    make("h2", { textContent: found === 1 ? "One group" : `${found} groups` }),
    make("p", { className: "muted", textContent: `${count(n)} answering “${current().question}”` }),
    scores.length ? make("p", { className: "muted", textContent: `Agreement with your labels: ${scores.join(", ")} (1 is perfect)` }) : null,
  );
  return [head, make("ul", { className: "cards" }, ...current().clusters.map(card))];
}

const SCORE_NAMES = { v_measure: "V-measure", ari: "adjusted Rand index" };
const share = (part, whole) => (whole ? (100 * part) / whole : 0);
const percent = (part, whole) => { const value = share(part, whole); return value > 0 && value < 1 ? "< 1%" : `${Math.round(value)}%`; };

function card(cluster) {
  const name = make("button", { type: "button", textContent: cluster.name, onclick: () => selectGroup(cluster) });
  return make("li", { className: "card", dataset: { label: cluster.label } },
    make("h3", {}, swatch(cluster), name, make("span", { className: "count", textContent: `${cluster.size.toLocaleString("en")} · ${percent(cluster.size, n)}` })),
    make("div", { className: "bar" }, make("i", { style: { width: `${share(cluster.size, n)}%`, background: colourOf(cluster) } })),
    cluster.name === NO_GROUP ? make("p", { className: "muted", textContent: "Their answers resemble no group closely enough." }) : null,
    ...describe(cluster, 6),
    ...cluster.typical.slice(0, 2).map((row) => make("p", { className: "quote", textContent: data.texts[row] })),
  );
}

function describe(cluster, howMany) {
  const chips = (title, words) => words.length
    ? make("div", { className: "words" }, make("span", { className: "name", textContent: title }), ...words.slice(0, howMany).map((word) => make("span", { textContent: word })))
    : null;
  const counts = cluster.labelCounts;
  const total = counts ? counts.reduce((sum, [, k]) => sum + k, 0) : 0;
  const shown = counts ? counts.slice(0, 4).map(([label, k]) => `${label || "(no label)"} ${percent(k, total)}`) : [];
  if (counts && counts.length > 4) shown.push(`${counts.length - 4} more`);
  const mixed = cluster.entropy === null ? "" : ` (mixedness ${cluster.entropy.toFixed(2)} bits)`;
  return [
    chips("answers say", cluster.words),
    chips("model leans to", cluster.headWords),
    shown.length ? make("p", { className: "makeup", textContent: `Your labels: ${shown.join(" · ")}${mixed}` }) : null,
  ].filter((part) => part !== null);
}

function selectionParts(selection) {
  const head = make("header", {},
    make("button", { type: "button", className: "back", textContent: "‹ All groups", onclick: clear }),
    make("div", { className: "head-line" }, selection.cluster ? swatch(selection.cluster) : null, make("h2", { textContent: selection.title })),
    make("p", { className: "muted", textContent: `${count(selection.rows.length)}, ${percent(selection.rows.length, n)} of all` }),
  );
  const detail = selection.cluster ? describe(selection.cluster, 12) : [];
  const list = make("ol", { className: "texts" });
  const more = make("button", { type: "button", className: "quiet more" });
  let shown = 0;
  const grow = () => {
    list.append(...selection.rows.slice(shown, shown + PAGE_SIZE).map((row) => textItem(row, selection.needle)));
    shown = Math.min(selection.rows.length, shown + PAGE_SIZE);
    const left = selection.rows.length - shown;
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, PAGE_SIZE)} more of ${left.toLocaleString("en")}`;
  };
  more.onclick = grow;
  grow();
  const nothing = selection.rows.length ? null : make("p", { className: "nothing", textContent: "No text contains this." });
  return [head, detail.length ? make("div", { className: "detail" }, ...detail) : null, nothing, list, more].filter((part) => part !== null);
}

function textItem(row, needle) {
  const text = make("span", {}, ...marked(data.texts[row], needle), answerLine(row));
  const button = make("button", { type: "button", dataset: { row }, aria: { pressed: "false" }, onclick: () => focusRow(row) }, swatch(clusterOf(row)), text);
  return make("li", {}, button);
}

// 6) The cross-table of two questions

const crossed = () => [data.questions[byId("cross-rows").value], data.questions[byId("cross-columns").value]];

function crossRows(rowCluster, columnCluster) {
  const inside = new Set(columnCluster.rows);
  return rowCluster.rows.filter((row) => inside.has(row));
}

function drawCross() {
  if (data.questions.length < 2) return;
  const [down, across] = crossed();
  const table = byId("cross");
  const header = (cluster) => make("th", { scope: "col", textContent: cluster.name });
  const head = make("tr", {}, make("td"), ...across.clusters.map(header), make("th", { scope: "col", className: "total", textContent: "All" }));
  const body = down.clusters.map((cluster) => crossLine(cluster, across));
  const foot = make("tr", {}, make("th", { scope: "row", className: "total", textContent: "All" }),
    ...across.clusters.map((cluster) => make("td", { textContent: cluster.rows.length })), make("td", { textContent: n }));
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body), make("tfoot", {}, foot));
  drawPressed();
}

function crossLine(rowCluster, across) {
  const counts = new Map(across.clusters.map((cluster) => [cluster.label, 0]));
  for (const row of rowCluster.rows) counts.set(across.labels[row], counts.get(across.labels[row]) + 1);
  const cells = across.clusters.map((columnCluster) => {
    const k = counts.get(columnCluster.label);
    if (!k) return make("td", { className: "cell zero", textContent: "·" });
    const part = k / rowCluster.rows.length;
    const button = make("button", { type: "button", textContent: k, aria: { pressed: "false", label: `${count(k)}: ${rowCluster.name} and ${columnCluster.name}` }, onclick: () => selectCell(rowCluster, columnCluster) });
    button.cell = [rowCluster, columnCluster];
    return make("td", { className: `cell${part > 0.55 ? " strong" : ""}`, style: { backgroundColor: `rgba(var(--shade), ${(0.08 + 0.92 * part).toFixed(3)})` } }, button);
  });
  return make("tr", {}, make("th", { scope: "row", textContent: rowCluster.name }), ...cells, make("td", { className: "total", textContent: rowCluster.rows.length }));
}

function drawPressed() {
  const cell = state.selection?.cell ?? [];
  for (const button of byId("cross").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.cell[0] === cell[0] && button.cell[1] === cell[1]));
  }
}

// 7) Questions, theme, keys

function ask(index, options = {}) {
  if (index === state.question && !options.first) return;
  const previous = current();
  state.question = index;
  state.focused = null;
  if (state.selection?.kind === "group") state.selection = null; // a group belongs to its question; a search or a cell does not
  byId("map").classList.toggle("dimmed", state.selection !== null);
  byId("questions").querySelectorAll("button").forEach((tab, at) => {
    tab.setAttribute("aria-selected", String(at === index));
    tab.tabIndex = at === index ? 0 : -1;
  });
  showHover(null);
  const still = options.first || n > MOVE_LIMIT || matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) drawAtOnce();
  else drawMoving(previous);
  drawInspector();
  byId("method").textContent = current().method;
  byId("map").setAttribute("aria-label", `Map of ${count(n)} under “${current().question}”. The groups and their texts are listed after it.`);
  byId("map-panel").setAttribute("aria-labelledby", `question-${index}`);
  if (options.first) return;
  byId("status").textContent = `${current().question} ${count(current().clusters.filter((cluster) => cluster.place >= 0).length, "group")}`;
}

function createQuestions() {
  const tabs = data.questions.map(({ question }, index) =>
    make("button", { type: "button", id: `question-${index}`, role: "tab", textContent: question, aria: { controls: "map-panel" }, onclick: () => ask(index) }));
  byId("questions").append(...tabs);
  byId("questions").addEventListener("keydown", (event) => {
    const last = tabs.length - 1;
    const to = { ArrowRight: state.question + 1, ArrowDown: state.question + 1, ArrowLeft: state.question - 1, ArrowUp: state.question - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const index = (to + tabs.length) % tabs.length;
    tabs[index].focus();
    ask(index);
  });
}

function createCompare() {
  byId("compare").hidden = data.questions.length < 2;
  for (const [id, chosenIndex] of [["cross-rows", 0], ["cross-columns", 1]]) {
    byId(id).append(...data.questions.map(({ question }, index) => make("option", { value: index, textContent: question, selected: index === chosenIndex })));
    byId(id).onchange = drawCross;
  }
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  const other = name === "dark" ? "light" : "dark";
  byId("theme").textContent = other === "dark" ? "Dark" : "Light";
  byId("theme").setAttribute("aria-label", `Switch to ${other} colours`);
  if (!chart) return;
  drawAtOnce();
  drawInspector();
  drawCross();
}

function listenToPage() {
  let timer = 0;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => search(event.target.value), n > MOVE_LIMIT ? 250 : 100);
  });
  byId("theme").onclick = () => setTheme(theme() === "dark" ? "light" : "dark");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape") clear();
    else if (event.key === "/" && !typing) { event.preventDefault(); byId("search").focus(); }
    else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && data.questions[event.key - 1]) ask(event.key - 1);
  });
}

function showFacts() {
  byId("facts").append(...data.facts.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })]));
  byId("cut").hidden = !data.cut;
  byId("cut").textContent = `${count(data.cut, "long text")} shortened to ${data.longest} characters here; they end with “…”, and the search sees only this much of them.`;
}

function start() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  if (!n || !data.questions.length) {
    document.body.append(make("p", { className: "message", textContent: n ? "No question was asked." : "There are no texts in this report." }));
    return;
  }
  data.questions.forEach(prepare);
  byId("report").hidden = false;
  createQuestions();
  createCompare();
  showFacts();
  createChart();
  listenToMap();
  listenToPage();
  ask(0, { first: true });
  drawCross();
  // For the page's own tests: what is drawn, and where.
  window.answerspace = { data, state, chart, pixelOf };
}

start();
