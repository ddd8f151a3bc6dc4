// The explorer: the clusters of one space, a map of the space, and a video's nearest neighbours in every space.
// explorer.py makes the data. A video is an index into data.videos; a space is one of data.spaces.
(() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const byId = (id) => document.getElementById(id);
  const [space, order, only, color] = ["space", "order", "only", "color"].map(byId);
  const map = byId("map"), tip = byId("tip"), near = byId("near"), rows = byId("rows"), more = byId("more");
  const find = byId("find"), kindName = byId("explorer-parts").dataset; // motion, place
  const CLUSTERS_AT_ONCE = 10, VIDEOS_OF_CLUSTER = 24, LEGEND = 16, MARGIN = 40;
  let chosen = null, clustersShown = CLUSTERS_AT_ONCE;

  const element = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const current = () => data.spaces[space.value];
  const counted = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  const passesFilter = (video) => !only.value || data.videos[video].label === only.value;

  // Color-blind readers can tell these eight colors apart. More values get hues that are far apart.
  const PALETTE = ["#0b7ab8", "#d9601a", "#0a9b72", "#c673a4", "#c79200", "#5a53b0", "#8a8f99", "#2fa7d6"];
  const colored = (values) => {
    const names = [...new Set(values)].filter((value) => value !== "").sort();
    const few = names.length <= PALETTE.length;
    return new Map(names.map((name, i) => [name, few ? PALETTE[i] : `hsl(${(i * 137.508) % 360} 60% ${44 + 12 * (i % 2)}%)`]));
  };
  const colors = { label: colored(data.videos.map((v) => v.label)), place: colored(data.videos.map((v) => v.place)) };
  for (const shown of data.spaces) {
    shown.clusterOf = new Map(shown.clusters.flatMap((cluster) => cluster.videos.map((video) => [video, cluster.number])));
    shown.colors = colored(shown.clusters.map((cluster) => cluster.number));
  }
  const colorOf = (video) => {
    const shade = color.value === "cluster"
      ? current().colors.get(current().clusterOf.get(video))
      : colors[color.value].get(data.videos[video][color.value]);
    return shade ?? "var(--muted)";
  };

  const thumbnail = (video) => {
    const { id, frames } = data.videos[video];
    return frames ? element("span", { class: `thumb v-${id}` }) : element("span", { class: "thumb missing" }, "no frames");
  };
  const labelsOf = (video) => [data.videos[video].label, data.videos[video].scene].filter(Boolean).join(" · ") || (colors.label.size ? "unlabelled" : "");
  const button = (video, note = data.videos[video].name) => {
    const pressed = String(video === chosen);
    const control = element("button", { type: "button", class: "video", "aria-pressed": pressed, title: data.videos[video].name },
      thumbnail(video),
      element("span", { class: "caption what" }, labelsOf(video)),
      element("span", { class: "caption" }, note));
    control.dataset.video = video;
    return element("li", {}, control);
  };
  const majority = (mark, value) => {
    const bar = element("span", { class: "bar" });
    bar.style.setProperty("--share", `${(100 * value[1]) / value[2]}%`);
    return element("div", { class: mark }, element("dt", {}, `most frequent ${kindName[mark]}`),
      element("dd", {}, element("span", {}, value[0]), element("span", { class: "muted" }, `${value[1]} of ${value[2]}`), bar));
  };

  function drawRows() {
    const purity = (cluster) => (cluster.motion && cluster.size > 1 ? cluster.motion[1] / cluster.motion[2] : 0);
    const first = order.value === "purity" ? (a, b) => purity(b) - purity(a) : () => 0;
    const clusters = current().clusters
      .map((cluster) => ({ ...cluster, videos: cluster.videos.filter(passesFilter) }))
      .filter((cluster) => cluster.videos.length)
      .sort((a, b) => first(a, b) || b.size - a.size || a.number - b.number);
    rows.replaceChildren(...clusters.slice(0, clustersShown).map((cluster) => {
      const shares = ["motion", "place"].filter((mark) => cluster[mark]).map((mark) => majority(mark, cluster[mark]));
      const left = cluster.videos.length - VIDEOS_OF_CLUSTER;
      const row = element("div", { class: "cluster" },
        element("h3", {}, `Cluster ${cluster.number} `, element("span", { class: "sd" }, counted(cluster.size, "video"))),
        element("dl", { class: "shares" }, ...shares),
        element("ul", { class: "videos" }, ...cluster.videos.slice(0, VIDEOS_OF_CLUSTER).map((video) => button(video))),
        left > 0 ? element("p", { class: "note" }, `and ${counted(left, "video")} more on this page`) : "");
      row.dataset.cluster = cluster.number;
      return row;
    }));
    more.hidden = clusters.length <= clustersShown;
    const pages = data.videos.length < current().n_videos
      ? `; of ${counted(current().n_videos, "video")}, ${data.videos.length.toLocaleString("en")} are on this page` : "";
    byId("count").textContent = `${counted(clusters.length, "cluster")} of ${current().n_clusters}${
      only.value ? ` with ${only.value}` : ""}${pages}.`;
  }

  function drawMap() {
    const points = Object.entries(current().points);
    map.setAttribute("viewBox", `0 0 ${data.side + 2 * MARGIN} ${data.side + 2 * MARGIN}`);
    const radius = points.length > 300 ? 11 : 16;
    map.replaceChildren(...points.map(([video, [x, y]]) => {
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      for (const [name, value] of Object.entries({ cx: x + MARGIN, cy: y + MARGIN, r: radius })) dot.setAttribute(name, value);
      dot.dataset.video = video;
      return dot;
    }));
    byId("map-note").textContent = points.length
      ? `t-SNE of ${counted(points.length, "video")}: videos that are near each other here are similar in this space; large distances mean little.`
      : "There is no map of this space: its vectors are not among the results.";
    paintMap();
  }

  function drawLegend() {
    const known = color.value === "cluster" ? new Map() : colors[color.value];
    byId("legend").replaceChildren(...(known.size > LEGEND ? [] : [...known].map(([name, shade]) => {
      const dot = element("span", { class: "dot" });
      dot.style.background = shade;
      return element("li", {}, dot, name);
    })));
  }

  function paintMap(cluster = null) {
    for (const dot of map.children) {
      const video = Number(dot.dataset.video);
      dot.style.fill = colorOf(video);
      dot.classList.toggle("faint", !passesFilter(video) || (cluster !== null && current().clusterOf.get(video) !== cluster));
      dot.classList.toggle("chosen", video === chosen);
    }
  }

  function drawNear() {
    if (chosen === null) return near.replaceChildren();
    const dots = (video) => [["label", "motion"], ["place", "place"]].map(([key, mark]) => {
      const same = data.videos[video][key] && data.videos[video][key] === data.videos[chosen][key];
      return same ? element("span", { class: `dot ${mark}`, title: `same ${kindName[mark]}` }) : "";
    });
    const lists = data.spaces.flatMap((of) => {
      const neighbours = of.neighbours[chosen];
      if (!neighbours) return [];
      const videos = neighbours.map(([video, cosine]) => {
        const item = button(video, `${cosine.toFixed(2)} `);
        item.querySelector(".caption:last-child").append(...dots(video));
        return item;
      });
      return [element("h4", {}, `${of.title} `, element("span", {}, `cluster ${of.clusterOf.get(chosen) ?? "–"}`)),
        element("ul", { class: "videos" }, ...videos)];
    });
    const { name, link } = data.videos[chosen];
    const marks = [["label", "motion"], ["place", "place"]].filter(([key]) => colors[key].size)
      .flatMap(([, mark]) => ["; ", element("span", { class: `dot ${mark}` }), `same ${kindName[mark]}`]);
    const label = labelsOf(chosen);
    near.replaceChildren(
      element("h3", { tabindex: "-1" }, name),
      element("p", { class: "note" }, ...(label ? [label, ". "] : []),
        ...(link ? [element("a", { href: link }, "Open the file"), ". "] : []), "Nearest on this page, by cosine", ...marks, "."),
      ...lists);
  }

  // The address of the page ends in the id of the chosen video: #video=ID.
  const address = () => {
    const id = /^#video=([\w-]+)$/.exec(location.hash)?.[1];
    return data.videos.findIndex((video) => video.id === id);
  };

  function choose(video) {
    chosen = video;
    if (address() !== video) history.replaceState(null, "", `#video=${data.videos[video].id}`);
    for (const shown of rows.querySelectorAll(".video")) shown.setAttribute("aria-pressed", String(Number(shown.dataset.video) === video));
    paintMap();
    drawNear();
  }

  data.spaces.forEach(({ title, name }, i) => space.append(element("option", { value: i }, name === title.toLowerCase() ? title : `${title} (${name})`)));
  for (const label of colors.label.keys()) only.append(element("option", { value: label }, label));
  if (order.querySelector(`[value=${byId("explorer-parts").dataset.order}]`)) order.value = byId("explorer-parts").dataset.order;
  byId("names").append(...[...new Set(data.videos.map(({ name }) => name))].sort().map((name) => element("option", { value: name })));

  // The first video of this name, else the first whose name contains the text.
  const search = () => {
    const text = find.value.trim().toLowerCase();
    const names = data.videos.map(({ name }) => name.toLowerCase());
    const at = names.includes(text) ? names.indexOf(text) : names.findIndex((name) => name.includes(text));
    find.setAttribute("aria-invalid", String(text !== "" && at < 0));
    if (text && at >= 0) choose(at);
  };
  const follow = () => {
    const video = address();
    if (video < 0) return;
    choose(video);
    byId("explorer").scrollIntoView();
  };

  const again = () => { clustersShown = CLUSTERS_AT_ONCE; drawRows(); };
  space.addEventListener("change", () => { again(); drawMap(); });
  order.addEventListener("change", again);
  only.addEventListener("change", () => { again(); paintMap(); });
  color.addEventListener("change", () => { drawLegend(); paintMap(); });
  find.addEventListener("change", search);
  find.addEventListener("input", () => { if (data.videos.some(({ name }) => name === find.value)) search(); });
  addEventListener("hashchange", follow);
  more.addEventListener("click", () => { clustersShown += CLUSTERS_AT_ONCE; drawRows(); });
  byId("explorer-parts").addEventListener("click", (event) => {
    const clicked = event.target.closest("[data-video]");
    if (!clicked) return;
    const wasNeighbour = near.contains(clicked); // drawNear replaces the neighbours
    choose(Number(clicked.dataset.video));
    if (wasNeighbour) near.querySelector("h3").focus({ preventScroll: true });
  });
  for (const [enter, leave] of [["pointerover", "pointerleave"], ["focusin", "focusout"]]) {
    rows.addEventListener(enter, (event) => {
      const row = event.target.closest(".cluster");
      paintMap(row ? Number(row.dataset.cluster) : null);
    });
    rows.addEventListener(leave, () => paintMap());
  }
  map.addEventListener("pointerover", (event) => {
    const { video } = event.target.dataset;
    tip.hidden = video === undefined;
    if (tip.hidden) return;
    tip.replaceChildren(thumbnail(video), element("div", {}, labelsOf(video)), element("div", { class: "muted" }, data.videos[video].name));
    const box = map.getBoundingClientRect(), dot = event.target.getBoundingClientRect();
    const left = dot.left - box.left > box.width / 2 ? dot.left - box.left - tip.offsetWidth - 6 : dot.right - box.left + 6;
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.min(dot.top - box.top, box.height - tip.offsetHeight)}px`;
  });
  map.addEventListener("pointerleave", () => { tip.hidden = true; });

  byId("explorer-off").hidden = true;
  byId("explorer-parts").hidden = false;
  drawRows();
  drawMap();
  drawLegend();
  follow();
})();
