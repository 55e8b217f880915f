// Well-known text (OGC 06-103r4) as GeoJSON. GeoSPARQL's default axes are longitude, latitude (CRS84); EPSG:4326 reverses them.

const LATITUDE_FIRST = /EPSG\/0\/4326>/;
const TYPES = { POINT: "Point", LINESTRING: "LineString", POLYGON: "Polygon", MULTIPOINT: "MultiPoint", MULTILINESTRING: "MultiLineString", MULTIPOLYGON: "MultiPolygon" };
// Nesting depth of positions in the coordinates of a type; a point's parentheses contain its position itself.
const DEPTHS = { Point: 0, LineString: 1, Polygon: 2, MultiPoint: 1, MultiLineString: 2, MultiPolygon: 3 };

/** Parse a text to a GeoJSON geometry. Throws if it is not a two-dimensional geometry. */
export function readWkt(text) {
  const [, crs = "", name, rest] = /^\s*(<[^>]*>)?\s*([A-Z]+)\s*(?:Z|M|ZM)?\s*(\(.*\))\s*$/is.exec(text) ?? [];
  const type = TYPES[name?.toUpperCase()];
  if (!type) throw new Error("not a geometry");
  const isLatitudeFirst = LATITUDE_FIRST.test(crs);
  // With numbers as positions and parentheses as brackets it is JSON.
  const json = rest
    .replace(/(-?[\d.eE+-]+)\s+(-?[\d.eE+-]+)(\s+-?[\d.eE+-]+)*/g, (_, x, y) => (isLatitudeFirst ? `[${+y},${+x}]` : `[${+x},${+y}]`))
    .replaceAll("(", "[").replaceAll(")", "]");
  let coordinates = JSON.parse(json);
  if (type === "Point") coordinates = coordinates[0];
  // MULTIPOINT may have each point in its own parentheses.
  if (type === "MultiPoint" && Array.isArray(coordinates[0][0])) coordinates = coordinates.map((point) => point[0]);
  if (depth(coordinates) !== DEPTHS[type]) throw new Error("wrong depth");
  return { type, coordinates };
}

const depth = (value) => (Array.isArray(value[0]) ? 1 + depth(value[0]) : 0);
