// A result on a map, drawn by Leaflet from geometries alone: no tiles, so no requests to third parties.
import { el, library, number, t } from "./page.js";
import { kommunCode, mapOf } from "./columns.js";
import { readWkt } from "./wkt.js";

const SHADES = ["#dcebe4", "#a9cdbf", "#6fa79c", "#397d7d", "#173a4f"];
const PLAIN = "#6fa79c";

export async function drawMap(container, result) {
  const [Leaflet, outlines] = await Promise.all([library("/static/vendor/leaflet.js", "L"), kommuner(), style()]);
  const options = mapOf(result);
  const byCode = new Map(outlines.features.map((feature) => [feature.properties.code, feature.geometry]));
  const features = result.rows.map((row) => ({ row, geometry: geometryOf(row[options.geometry.index], byCode) })).filter((feature) => feature.geometry);
  const box = el("div", { className: "map-box", role: "region", "aria-label": t("map.label", { count: features.length }) });
  const shade = shading(result, options, features);
  container.append(box, legend(options, shade), el("p", { className: "meta" }, t("map.source")));
  if (features.length < result.rows.length) container.append(el("p", { className: "meta" }, t("map.missing", { count: result.rows.length - features.length })));
  const map = Leaflet.map(box, { attributionControl: false, zoomControl: false, zoomSnap: 0.25, minZoom: 3 });
  Leaflet.control.zoom({ zoomInTitle: t("map.in"), zoomOutTitle: t("map.out") }).addTo(map);
  Leaflet.geoJSON(outlines, { interactive: false, style: { className: "map-ground", weight: 1 } }).addTo(map);
  const layers = Leaflet.featureGroup(features.map((feature) => layerOf(Leaflet, feature, options, shade))).addTo(map);
  map.fitBounds(layers.getBounds().isValid() ? layers.getBounds() : [[55.2, 10.8], [69.1, 24.2]], { padding: [24, 24], maxZoom: 13 });
  return () => map.remove();
}

let outlinesPromise = null;
const kommuner = () => (outlinesPromise ??= fetch("/sparql/kommuner.geojson").then((response) => response.json()));

/** Leaflet's stylesheet, loaded only for maps. */
let stylePromise = null;
const style = () => (stylePromise ??= new Promise((done) => {
  const link = el("link", { rel: "stylesheet", href: "/static/vendor/leaflet.css", onload: done, onerror: done });
  document.head.prepend(link);
}));

function geometryOf(term, byCode) {
  if (term.type === "iri") return byCode.get(kommunCode(term.value)) ?? null;
  try {
    if (term.value.trim().startsWith("{")) {
      const geojson = JSON.parse(term.value);
      return geojson.geometry ?? geojson;
    }
    return readWkt(term.value);
  } catch {
    return null;
  }
}

/** Return five value classes of equal size as far as possible; null if there is nothing to shade by. */
function shading(result, options, features) {
  if (!options.value) return null;
  const values = features.map(({ row }) => row[options.value.index].number).filter((n) => n !== undefined).sort((a, b) => a - b);
  const distinct = [...new Set(values)];
  if (distinct.length < 2) return null;
  const count = Math.min(SHADES.length, distinct.length);
  const limits = Array.from({ length: count }, (_, i) => distinct[Math.floor((i * distinct.length) / count)]);
  const shades = count === SHADES.length ? SHADES : SHADES.filter((_, i) => i >= SHADES.length - count);
  const classOf = (value) => limits.findLastIndex((limit) => value >= limit);
  const ranges = limits.map((limit, i) => [limit, distinct[(i + 1 < count ? distinct.indexOf(limits[i + 1]) : distinct.length) - 1]]);
  return { ranges, shades, of: (value) => (value === undefined ? PLAIN : shades[Math.max(classOf(value), 0)]) };
}

function layerOf(Leaflet, { row, geometry }, options, shade) {
  const fill = shade ? shade.of(row[options.value.index].number) : PLAIN;
  const pathStyle = { color: "#173a4f", weight: 1.5, fillColor: fill, fillOpacity: 0.85 };
  const layer = Leaflet.geoJSON(geometry, { style: pathStyle, pointToLayer: (_, at) => Leaflet.circleMarker(at, { ...pathStyle, radius: 7 }) });
  const name = options.name ? row[options.name.index].value : "";
  const valueText = options.value ? `${options.value.name}: ${number(row[options.value.index].number ?? NaN, 4)}` : "";
  if (name || valueText) layer.bindTooltip(el("span", {}, el("strong", {}, name), name && valueText ? el("br") : "", valueText), { sticky: true });
  layer.bindPopup(() => facts(row, options));
  return layer;
}

function facts(row, options) {
  const displayedColumns = options.columns.filter((column) => column.kind !== "geometry" && row[column.index].type !== "none");
  return el("dl", { className: "map-facts" }, ...displayedColumns.flatMap((column) => {
    const term = row[column.index];
    const text = term.number === undefined ? term.value : number(term.number, 4);
    return [el("dt", {}, column.name), el("dd", {}, term.type === "iri" ? el("a", { href: term.value }, text.replace(/^.*\/id\//, "")) : text)];
  }));
}

function legend(options, shade) {
  if (!shade) return "";
  const rows = shade.ranges.map(([from, to], i) => {
    const mark = el("span", { className: "map-key", "aria-hidden": "true" });
    mark.style.background = shade.shades[i];
    return el("li", {}, mark, from === to ? number(from, 2) : `${number(from, 2)} – ${number(to, 2)}`);
  });
  return el("div", { className: "map-legend" }, el("strong", {}, options.value.name), el("ul", {}, ...rows));
}
