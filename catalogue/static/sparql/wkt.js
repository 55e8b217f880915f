// Well-known text (OGC 06-103r4) as GeoJSON. GeoSPARQL's default axes are longitude, latitude (CRS84); EPSG:4326 turns them.

const TURNED = /EPSG\/0\/4326>/;
const TYPES = { POINT: "Point", LINESTRING: "LineString", POLYGON: "Polygon", MULTIPOINT: "MultiPoint", MULTILINESTRING: "MultiLineString", MULTIPOLYGON: "MultiPolygon" };
// How deep positions lie in the coordinates of a type; a lone point's parentheses hold its position itself.
const DEPTHS = { Point: 0, LineString: 1, Polygon: 2, MultiPoint: 1, MultiLineString: 2, MultiPolygon: 3 };

/** A GeoJSON geometry. Throws where the text is no geometry of the plane. */
export function readWkt(text) {
  const [, crs = "", name, rest] = /^\s*(<[^>]*>)?\s*([A-Z]+)\s*(?:Z|M|ZM)?\s*(\(.*\))\s*$/is.exec(text) ?? [];
  const type = TYPES[name?.toUpperCase()];
  if (!type) throw new Error("not a geometry");
  const isTurned = TURNED.test(crs);
  // Numbers become positions and parentheses brackets; then it is JSON.
  const json = rest
    .replace(/(-?[\d.eE+-]+)\s+(-?[\d.eE+-]+)(\s+-?[\d.eE+-]+)*/g, (_, x, y) => (isTurned ? `[${+y},${+x}]` : `[${+x},${+y}]`))
    .replaceAll("(", "[").replaceAll(")", "]");
  let coordinates = JSON.parse(json);
  if (type === "Point") coordinates = coordinates[0];
  // MULTIPOINT may have each of its points in parentheses of its own.
  if (type === "MultiPoint" && Array.isArray(coordinates[0][0])) coordinates = coordinates.map((point) => point[0]);
  if (depth(coordinates) !== DEPTHS[type]) throw new Error("wrong depth");
  return { type, coordinates };
}

const depth = (found) => (Array.isArray(found[0]) ? 1 + depth(found[0]) : 0);
