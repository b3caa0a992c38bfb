// Charts, filters and sorting of a report. Without it, the page shows everything.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const ALL = "";
  const chosen = { model: ALL, seed: ALL, claim: ALL, reading: ALL };
  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = { left: 40, right: 10, top: 8, bottom: 34 };
  const REACH = 40; // pixels from the pointer to the nearest mark

  // ---- elements: text is always set as text, never parsed

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }
  const element = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const drawn = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  const number = (value, digits = 2) =>
    value === null || value === undefined ? "unknown" : value.toFixed(digits);
  const mean = (values) => {
    const known = values.filter((value) => value !== null);
    return known.length
      ? known.reduce((a, b) => a + b, 0) / known.length
      : null;
  };

  // ---- filters

  const ofRuns = (runs) =>
    runs.some(
      ([model, seed]) =>
        (chosen.model === ALL || model === chosen.model) &&
        (chosen.seed === ALL || seed === chosen.seed),
    );
  const includes = (list, value) => value === ALL || list.includes(value);

  function isShown(node) {
    const { runs, claims, readings } = node.dataset;
    return (
      (runs === undefined || ofRuns(JSON.parse(runs))) &&
      (claims === undefined || includes(JSON.parse(claims), chosen.claim)) &&
      (readings === undefined || includes(JSON.parse(readings), chosen.reading))
    );
  }

  function applyFilters() {
    const filtered = "[data-runs], [data-claims], [data-readings]";
    for (const node of document.querySelectorAll(filtered)) {
      node.classList.toggle("filtered", !isShown(node));
    }
    for (const chart of charts) chart.draw();
    const rows = [...document.querySelectorAll("tbody tr")];
    const nRows = rows.filter((row) => !row.closest(".filtered")).length;
    const curves = charts.filter((chart) => chart.content.kind === "curves");
    const nCurves = curves.flatMap((chart) => chart.content.curves);
    const shown = curves
      .filter((chart) => !chart.figure.closest(".filtered") && chart.measure())
      .flatMap((chart) => chart.content.curves.filter((c) => ofRuns(c.runs)));
    document.getElementById("shown").textContent =
      `${nRows} of ${rows.length} rows and ` +
      `${shown.length} of ${nCurves.length} curves shown`;
  }

  function addFilters() {
    const form = element("form", { "aria-label": "Filters" });
    for (const [name, values] of Object.entries(data.filters)) {
      const choice = element("select", { name, id: `filter-${name}` });
      choice.append(element("option", { value: ALL }, "all"));
      for (const value of values) choice.append(element("option", { value }, value));
      choice.disabled = values.length === 0;
      choice.addEventListener("change", () => {
        chosen[name] = choice.value;
        applyFilters();
      });
      form.append(element("label", {}, element("span", {}, name), choice));
    }
    const reset = element("button", { type: "reset" }, "Show all");
    form.append(reset, element("output", { id: "shown" }));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => {
      for (const name of Object.keys(chosen)) chosen[name] = ALL;
      applyFilters();
    });
    document.getElementById("filters").append(form);
  }

  // ---- sorting

  function sortKey(row, column) {
    const cell = row.cells[column];
    const text = cell.textContent.trim();
    if (cell.dataset.order !== undefined) return Number(cell.dataset.order);
    return text === "" ? null : text;
  }

  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function sortBy(table, column) {
    const heads = [...table.tHead.rows[0].cells];
    const wasUp = heads[column].getAttribute("aria-sort") === "ascending";
    const sign = wasUp ? -1 : 1;
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", wasUp ? "descending" : "ascending");
    const keyed = [...table.tBodies[0].rows].map((row) => [
      sortKey(row, column),
      row,
    ]);
    // Empty cells come last in both directions.
    keyed.sort(([a], [b]) =>
      a === null || b === null
        ? (a === null) - (b === null)
        : sign * compare(a, b),
    );
    table.tBodies[0].append(...keyed.map(([, row]) => row));
  }

  function makeSortable(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = element("button", { type: "button" }, head.textContent);
      button.addEventListener("click", () => sortBy(table, column));
      head.replaceChildren(button);
    });
  }

  // ---- charts

  function ticks(low, high, most) {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((f) => f * power >= rough) * power;
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
      found.push(Number((i * step).toPrecision(6)));
    }
    return found;
  }

  // Axes of a panel, from values to pixels.
  function axes(svg, width, height, xs, ys, labels) {
    const x = (value) =>
      MARGIN.left +
      ((value - xs[0]) / (xs[1] - xs[0])) * (width - MARGIN.left - MARGIN.right);
    const y = (value) =>
      height -
      MARGIN.bottom -
      ((value - ys[0]) / (ys[1] - ys[0])) * (height - MARGIN.top - MARGIN.bottom);
    const right = width - MARGIN.right;
    for (const value of ticks(...ys, 5)) {
      svg.append(
        drawn("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(value), y2: y(value) }),
        drawn("text", { x: MARGIN.left - 5, y: y(value) + 4, "text-anchor": "end" }, `${value}`),
      );
    }
    for (const value of labels.ticks === false ? [] : ticks(...xs, width / 80)) {
      svg.append(
        drawn("text", { x: x(value), y: height - MARGIN.bottom + 15, "text-anchor": "middle" }, `${value}`),
      );
    }
    svg.append(
      drawn("text", { x: (MARGIN.left + right) / 2, y: height - 4, "text-anchor": "middle" }, labels.x),
    );
    return { x, y };
  }

  function line(xs, ys, scale, attributes) {
    let path = "";
    let pen = "M";
    xs.forEach((value, i) => {
      if (ys[i] === null) {
        pen = "M";
      } else {
        path += `${pen}${scale.x(value).toFixed(1)} ${scale.y(ys[i]).toFixed(1)}`;
        pen = "L";
      }
    });
    return drawn("path", { d: path, fill: "none", ...attributes });
  }

  function band(curve, scale) {
    const known = curve.x
      .map((x, i) => [x, curve.low[i], curve.high[i]])
      .filter(([, low, high]) => low !== null && high !== null);
    const point = (x, y) => `${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`;
    const edge = [
      ...known.map(([x, low]) => point(x, low)),
      ...known.reverse().map(([x, , high]) => point(x, high)),
    ];
    return drawn("path", {
      class: "band",
      d: edge.length ? `M${edge.join("L")}Z` : "",
      fill: curve.colour,
    });
  }

  // Scenes draw into an SVG element and return its marks: what can be hovered.

  function curvesScene(content, panel, measure) {
    const here = content.curves.filter((c) => c.panel === panel && ofRuns(c.runs));
    return (svg, width, height) => {
      const xs = here.flatMap((curve) => curve.x);
      const low = xs.reduce((a, b) => Math.min(a, b), Infinity);
      const high = xs.reduce((a, b) => Math.max(a, b), -Infinity);
      const range = high > low ? [low, high] : [low - 1, low + 1];
      const scale = axes(svg, width, height, range, [0, 90], { x: content.x_label });
      const marks = [];
      const isPlain = measure === "angle";
      here.forEach((curve, series) => {
        const look = { stroke: curve.colour, "data-label": curve.label };
        if (isPlain) {
          if (here.length <= 3) svg.append(band(curve, scale));
          svg.append(line(curve.x, curve.null, scale, { ...look, class: "null" }));
        }
        svg.append(line(curve.x, curve[measure], scale, { ...look, class: "curve" }));
        curve.x.forEach((x, i) => {
          const value = curve[measure][i];
          if (value === null) return;
          const text = [curve.label, `${content.x_label}: ${x}`];
          text.push(`${isPlain ? "angle" : "column-centred angle"}: ${number(value)}°`);
          if (isPlain) {
            text.push(
              `permutation null: ${number(curve.null[i])}° ` +
                `(${number(curve.low[i])} to ${number(curve.high[i])})`,
            );
          }
          marks.push({ x: scale.x(x), y: scale.y(value), series, text });
        });
      });
      return marks;
    };
  }

  // From dark blue over green to yellow, as lightness grows with the angle.
  function cellColour(angle) {
    const stops = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
    const place = Math.min(Math.max(angle / 90, 0), 1) * (stops.length - 1);
    const i = Math.min(Math.floor(place), stops.length - 2);
    const mixed = stops[i].map((v, k) => Math.round(v + (place - i) * (stops[i + 1][k] - v)));
    return `rgb(${mixed.join(",")})`;
  }

  function matrixScene(content, measure) {
    const n = content.groups.length;
    return (svg, width, height) => {
      const side = Math.min((width - 120) / n, (height - 90) / n);
      const left = 110;
      const marks = [];
      const shorten = (name) => (name.length > 16 ? `${name.slice(0, 15)}…` : name);
      content.groups.forEach((name, i) => {
        const middle = (i + 0.5) * side;
        const below = `translate(${left + middle + 4} ${n * side + 12}) rotate(-35)`;
        svg.append(
          drawn("text", { x: left - 6, y: middle + 4, "text-anchor": "end" }, shorten(name)),
          drawn("text", { transform: below, "text-anchor": "end" }, shorten(name)),
        );
      });
      for (let row = 0; row < n; row++) {
        for (let column = 0; column < n; column++) {
          const pairs = content.pairs.filter(
            (p) =>
              ofRuns(p.runs) &&
              ((p.row === row && p.column === column) ||
                (p.row === column && p.column === row)),
          );
          const angle = mean(pairs.map((p) => p[measure]));
          if (angle === null) continue;
          const [x, y] = [left + column * side, row * side];
          svg.append(
            drawn("rect", { class: "cell", x, y, width: side, height: side, fill: cellColour(angle) }),
          );
          if (side > 28) {
            const ink = angle > 50 ? "#000" : "#fff";
            svg.append(
              drawn("text", { x: x + side / 2, y: y + side / 2 + 4, "text-anchor": "middle", style: `fill:${ink}` }, number(angle, 1)),
            );
          }
          const plain = measure === "angle";
          const text = [
            `${content.groups[row]} and ${content.groups[column]}`,
            `${plain ? "angle" : "column-centred angle"}: ${number(angle)}°` +
              (pairs.length > 1 ? ` (mean of ${pairs.length} pairs)` : ""),
          ];
          if (plain) {
            text.push(`permutation null: ${number(mean(pairs.map((p) => p.null)))}°`);
            text.push(`z: ${number(mean(pairs.map((p) => p.z)), 1)}`);
          }
          marks.push({ x: x + side / 2, y: y + side / 2, series: row, text });
        }
      }
      return marks;
    };
  }

  function readingsScene(content) {
    const points = content.points.filter((p) => includes([p.reading], chosen.reading));
    return (svg, width, height) => {
      const all = content.points.flatMap((p) => [p.effect, p.low, p.high]);
      const known = all.filter((value) => value !== null);
      const [low, high] = [Math.min(...known), Math.max(...known)];
      const pad = (high - low) * 0.05 || 1;
      const n = content.points.length;
      const labels = { x: "readings, by effect", ticks: false };
      const scale = axes(svg, width, height, [-1, n], [low - pad, high + pad], labels);
      return points.map((p) => {
        const [x, y] = [scale.x(content.points.indexOf(p)), scale.y(p.effect)];
        if (p.low !== null && p.high !== null) {
          svg.append(
            drawn("line", { x1: x, x2: x, y1: scale.y(p.low), y2: scale.y(p.high), stroke: p.colour }),
          );
        }
        svg.append(drawn("circle", { class: "point", cx: x, cy: y, r: 4, fill: p.colour }));
        const text = [
          p.reading,
          p.verdict,
          `${content.y_label}: ${number(p.effect)}` +
            (p.low === null ? "" : ` (95% interval ${number(p.low)} to ${number(p.high)})`),
        ];
        if (p.share !== null) text.push(`${number(100 * p.share, 0)}% meet the criterion`);
        return { x, y, series: 0, text };
      });
    };
  }

  // A panel: an SVG element whose nearest mark is shown to pointers and keys.
  class Panel {
    constructor(title, name) {
      this.svg = drawn("svg", { tabindex: 0, role: "img", "aria-label": name });
      this.tip = element("div", { class: "tip", role: "status" });
      this.root = element("div", { class: "panel" });
      if (title) this.root.append(element("p", { class: "title" }, title));
      this.frame = element("div", { class: "frame" }, this.svg, this.tip);
      this.root.append(this.frame);
      this.marks = [];
      this.at = -1;
      this.svg.addEventListener("pointermove", (event) => this.point(event));
      this.svg.addEventListener("pointerdown", (event) => this.point(event));
      this.svg.addEventListener("pointerleave", () => this.show(-1));
      this.svg.addEventListener("blur", () => this.show(-1));
      this.svg.addEventListener("keydown", (event) => this.step(event));
    }

    draw(scene, width, height) {
      this.svg.replaceChildren();
      fill(this.svg, { width, height, viewBox: `0 0 ${width} ${height}` }, []);
      this.width = width;
      this.marks = scene(this.svg, width, height);
      this.cursor = drawn("circle", { class: "cursor", r: 6 });
      this.svg.append(this.cursor);
      this.show(-1);
    }

    point(event) {
      const box = this.svg.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      let nearest = -1;
      let least = REACH * REACH;
      this.marks.forEach((mark, i) => {
        const distance = (mark.x - x) ** 2 + (mark.y - y) ** 2;
        if (distance < least) [nearest, least] = [i, distance];
      });
      this.show(nearest);
    }

    step(event) {
      const direction = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") this.show(-1);
      if (!direction || !this.marks.length) return;
      event.preventDefault();
      const along = event.key === "ArrowRight" || event.key === "ArrowLeft";
      const now = this.marks[this.at];
      if (!now) return this.show(0);
      let next = this.at + direction;
      if (!along) {
        // The nearest mark of the next series, as it lies in the marks.
        const other = this.marks.find((m, i) =>
          direction > 0 ? i > this.at && m.series > now.series : m.series === now.series - 1);
        if (!other) return;
        const near = this.marks.filter((m) => m.series === other.series);
        near.sort((a, b) => Math.abs(a.x - now.x) - Math.abs(b.x - now.x));
        next = this.marks.indexOf(near[0]);
      }
      this.show(Math.min(Math.max(next, 0), this.marks.length - 1));
    }

    show(i) {
      this.at = i;
      const mark = this.marks[i];
      this.root.classList.toggle("pointed", mark !== undefined);
      if (!mark) return this.tip.replaceChildren();
      this.tip.replaceChildren(...mark.text.map((text) => element("div", {}, text)));
      fill(this.cursor, { cx: mark.x, cy: mark.y }, []);
      const room = this.width - this.tip.offsetWidth;
      this.tip.style.left = `${Math.max(0, Math.min(mark.x + 12, room))}px`;
      this.tip.style.top = `${mark.y + 14}px`;
    }
  }

  class Chart {
    constructor(figure, content) {
      this.figure = figure;
      this.content = content;
      const name = figure.querySelector("figcaption").textContent;
      const titles = content.panels || [content.y_label || ""];
      this.panels = titles.map((title) => new Panel(title, [name, title].filter(Boolean).join(", ")));
      this.legend = element("p", { class: "legend" });
      this.note = element("p", { class: "note" });
      this.root = element("div", { class: "chart" });
      this.root.append(...this.panels.map((panel) => panel.root));
      const toggle = element("button", { type: "button", "aria-expanded": "false" }, "Figure as a picture");
      toggle.addEventListener("click", () => {
        const open = figure.classList.toggle("as-picture");
        toggle.setAttribute("aria-expanded", `${open}`);
      });
      figure.classList.add("charted");
      figure.prepend(this.root, this.legend, this.note, toggle);
    }

    // The measure that the chosen reading asks for; "" if it is not drawn here.
    measure() {
      const { kind, readings, centred_readings: centred } = this.content;
      if (kind === "readings" || includes(readings, chosen.reading)) return "angle";
      return centred.includes(chosen.reading) ? "centred" : "";
    }

    scene(i, measure) {
      const { kind } = this.content;
      if (kind === "curves") return curvesScene(this.content, i, measure);
      return kind === "matrix" ? matrixScene(this.content, measure) : readingsScene(this.content);
    }

    // Names and their colours.
    legendEntries() {
      const { kind, curves, points } = this.content;
      if (kind === "matrix") return new Map();
      if (kind === "readings") return new Map(points.map((p) => [p.verdict, p.colour]));
      const shown = curves.filter((c) => ofRuns(c.runs));
      return new Map(shown.map((c) => [c.runs[0][0], c.colour]));
    }

    height(width) {
      const { kind, groups } = this.content;
      return kind === "matrix" ? Math.min(width - 20, groups.length * 56 + 90) : 260;
    }

    draw() {
      if (this.figure.closest(".filtered")) return;
      const measure = this.measure();
      this.root.classList.toggle("empty", !measure);
      const { kind, n_moments: all, n_drawn: kept } = this.content;
      const notes = [];
      if (!measure) notes.push("Not drawn under this reading; see the table of readings.");
      const legend = this.legendEntries();
      this.legend.replaceChildren(
        ...[...legend].map(([name, colour]) => {
          const swatch = element("i");
          swatch.style.background = colour;
          return element("span", {}, swatch, name);
        }),
      );
      if (kind === "curves") {
        if (!legend.size) notes.push("No run of this choice.");
        if (measure === "angle") notes.push("Angles in degrees; dotted: permutation null.");
        if (measure === "centred") notes.push("Column-centred angles in degrees.");
        if (kept < all) notes.push(`${kept} of ${all} moments are drawn; peaks are kept.`);
      }
      if (kind === "matrix" && measure) {
        notes.push(`${measure === "angle" ? "Angles" : "Column-centred angles"} in degrees, means over pairs.`);
      }
      this.note.textContent = notes.join(" ");
      if (!measure) return;
      this.panels.forEach((panel, i) => {
        const width = Math.floor(panel.frame.clientWidth);
        if (width > 0) panel.draw(this.scene(i, measure), width, this.height(width));
      });
    }
  }

  // ---- the page

  const charts = Object.entries(data.charts)
    .map(([id, content]) => [document.getElementById(id), content])
    .filter(([figure]) => figure !== null)
    .map(([figure, content]) => new Chart(figure, content));
  document.documentElement.classList.add("scripted");
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  addFilters();
  applyFilters();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    charts.forEach((chart) => chart.draw());
  });
  // For browsers that do not print closed details.
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((part) => (part.open = true));
  });
})();
