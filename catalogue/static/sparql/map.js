// An answer on a map, drawn by Leaflet from geometries alone: no tiles, so nothing is asked of anybody else.
import { el, library, number, t } from "./page.js";
import { mapOf, outlined } from "./shape.js";
import { readWkt } from "./wkt.js";

const SHADES = ["#dcebe4", "#a9cdbf", "#6fa79c", "#397d7d", "#173a4f"];
const PLAIN = "#6fa79c";

export async function drawMap(place, answer) {
  const [Leaflet, outlines] = await Promise.all([library("/static/vendor/leaflet.js", "L"), kommuner(), style()]);
  const chosen = mapOf(answer);
  const byCode = new Map(outlines.features.map((feature) => [feature.properties.code, feature.geometry]));
  const shapes = answer.rows.map((row) => ({ row, geometry: geometryOf(row[chosen.geometry.index], byCode) })).filter((shape) => shape.geometry);
  const box = el("div", { className: "map-box", role: "region", "aria-label": t("map.label", { count: shapes.length }) });
  const shade = shading(answer, chosen, shapes);
  place.append(box, legend(chosen, shade), el("p", { className: "meta" }, t("map.source")));
  if (shapes.length < answer.rows.length) place.append(el("p", { className: "meta" }, t("map.missing", { count: answer.rows.length - shapes.length })));
  const map = Leaflet.map(box, { attributionControl: false, zoomControl: false, zoomSnap: 0.25, minZoom: 3 });
  Leaflet.control.zoom({ zoomInTitle: t("map.in"), zoomOutTitle: t("map.out") }).addTo(map);
  Leaflet.geoJSON(outlines, { interactive: false, style: { className: "map-ground", weight: 1 } }).addTo(map);
  const drawn = Leaflet.featureGroup(shapes.map((shape) => layerOf(Leaflet, shape, chosen, shade))).addTo(map);
  map.fitBounds(drawn.getBounds().isValid() ? drawn.getBounds() : [[55.2, 10.8], [69.1, 24.2]], { padding: [24, 24], maxZoom: 13 });
  return () => map.remove();
}

let fetched = null;
const kommuner = () => (fetched ??= fetch("/sparql/kommuner.geojson").then((answer) => answer.json()));

/** Leaflet's stylesheet, wanted only here. */
let styled = null;
const style = () => (styled ??= new Promise((done) => {
  const link = el("link", { rel: "stylesheet", href: "/static/vendor/leaflet.css", onload: done, onerror: done });
  document.head.prepend(link);
}));

function geometryOf(term, byCode) {
  if (term.type === "iri") return byCode.get(outlined(term.value)) ?? null;
  try {
    if (term.value.trim().startsWith("{")) {
      const found = JSON.parse(term.value);
      return found.geometry ?? found;
    }
    return readWkt(term.value);
  } catch {
    return null;
  }
}

/** Five classes with as many places in each as can be; null where there is nothing to shade by. */
function shading(answer, chosen, shapes) {
  if (!chosen.value) return null;
  const values = shapes.map(({ row }) => row[chosen.value.index].number).filter((n) => n !== undefined).sort((a, b) => a - b);
  const distinct = [...new Set(values)];
  if (distinct.length < 2) return null;
  const count = Math.min(SHADES.length, distinct.length);
  const limits = Array.from({ length: count }, (_, i) => distinct[Math.floor((i * distinct.length) / count)]);
  const shades = count === SHADES.length ? SHADES : SHADES.filter((_, i) => i >= SHADES.length - count);
  const classOf = (value) => limits.findLastIndex((limit) => value >= limit);
  const ranges = limits.map((limit, i) => [limit, distinct[(i + 1 < count ? distinct.indexOf(limits[i + 1]) : distinct.length) - 1]]);
  return { ranges, shades, of: (value) => (value === undefined ? PLAIN : shades[Math.max(classOf(value), 0)]) };
}

function layerOf(Leaflet, { row, geometry }, chosen, shade) {
  const fill = shade ? shade.of(row[chosen.value.index].number) : PLAIN;
  const look = { color: "#173a4f", weight: 1.5, fillColor: fill, fillOpacity: 0.85 };
  const layer = Leaflet.geoJSON(geometry, { style: look, pointToLayer: (_, at) => Leaflet.circleMarker(at, { ...look, radius: 7 }) });
  const name = chosen.name ? row[chosen.name.index].value : "";
  const told = chosen.value ? `${chosen.value.name}: ${number(row[chosen.value.index].number ?? NaN, 4)}` : "";
  if (name || told) layer.bindTooltip(el("span", {}, el("strong", {}, name), name && told ? el("br") : "", told), { sticky: true });
  layer.bindPopup(() => facts(row, chosen));
  return layer;
}

function facts(row, chosen) {
  const shown = chosen.columns.filter((column) => column.kind !== "geometry" && row[column.index].type !== "none");
  return el("dl", { className: "map-facts" }, ...shown.flatMap((column) => {
    const term = row[column.index];
    const text = term.number === undefined ? term.value : number(term.number, 4);
    return [el("dt", {}, column.name), el("dd", {}, term.type === "iri" ? el("a", { href: term.value }, text.replace(/^.*\/id\//, "")) : text)];
  }));
}

function legend(chosen, shade) {
  if (!shade) return "";
  const rows = shade.ranges.map(([from, to], i) => {
    const mark = el("span", { className: "map-key", "aria-hidden": "true" });
    mark.style.background = shade.shades[i];
    return el("li", {}, mark, from === to ? number(from, 2) : `${number(from, 2)} – ${number(to, 2)}`);
  });
  return el("div", { className: "map-legend" }, el("strong", {}, chosen.value.name), el("ul", {}, ...rows));
}
