/** Places on the earth as points of a drawing, and points that lie too close together to be told apart. */

export interface Point {
  x: number;
  y: number;
}

export interface Place extends Point {
  id: string;
}

/** One thing that is drawn: a place, or several that would cover each other. */
export interface Cluster extends Point {
  ids: string[];
}

/** Drawing units of the whole equator; large, so that a city still has room in whole numbers. */
const WORLD = 1 << 20;
/** Web Mercator ends here (EPSG:3857). */
const MOST_LATITUDE = 85.05;

/** Mercator: angles stay right, so that a town looks as it does on other maps. */
export function project(longitude: number, latitude: number): Point {
  const clamped = Math.max(-MOST_LATITUDE, Math.min(MOST_LATITUDE, latitude));
  const radians = (clamped * Math.PI) / 180;
  return {
    x: ((longitude + 180) / 360) * WORLD,
    y: (0.5 - Math.log(Math.tan(Math.PI / 4 + radians / 2)) / (2 * Math.PI)) * WORLD,
  };
}

export function unproject(point: Point): { longitude: number; latitude: number } {
  const latitude =
    (2 * Math.atan(Math.exp((0.5 - point.y / WORLD) * 2 * Math.PI)) - Math.PI / 2) * (180 / Math.PI);
  return { longitude: (point.x / WORLD) * 360 - 180, latitude };
}

/** Metres that a drawing unit is at a latitude. */
export function metresPerUnit(latitude: number): number {
  return (40_075_016.686 / WORLD) * Math.cos((latitude * Math.PI) / 180);
}

/** A length of the form 1, 2 or 5 × 10ⁿ that is at most `most`. */
export function roundLength(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  const part = most / power;
  return (part >= 5 ? 5 : part >= 2 ? 2 : 1) * power;
}

/** Joins places that are closer than `distance` on the screen. The order decides, so that nothing jumps. */
export function cluster(places: readonly Place[], scale: number, distance: number): Cluster[] {
  const clusters: Cluster[] = [];
  for (const place of places) {
    const near = clusters.find(
      (other) => Math.hypot(other.x - place.x, other.y - place.y) * scale < distance,
    );
    if (near) {
      const count = near.ids.length;
      near.x = (near.x * count + place.x) / (count + 1);
      near.y = (near.y * count + place.y) / (count + 1);
      near.ids.push(place.id);
    } else clusters.push({ x: place.x, y: place.y, ids: [place.id] });
  }
  return clusters;
}

/** The box around points, with some room, never without extent. */
export function boxOf(points: readonly Point[], least: number) {
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const width = Math.max(least, (right - left) * 1.2);
  const height = Math.max(least, (bottom - top) * 1.2);
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height };
}
