/** Places on a plan, as shares of its width and height. */
import type { Position } from '../assets/types';

/** One step of an arrow key. */
const STEP = 0.005;

export function clampShare(share: number): number {
  return Math.round(Math.min(1, Math.max(0, share)) * 10_000) / 10_000;
}

/** The positions with one more, or with one moved. */
export function place(positions: readonly Position[], position: Position): Position[] {
  const at = positions.findIndex((other) => other.asset === position.asset);
  return at < 0 ? [...positions, position] : positions.with(at, position);
}

export function remove(positions: readonly Position[], asset: string): Position[] {
  return positions.filter((position) => position.asset !== asset);
}

/** The positions after an arrow key; `null` for any other key. */
export function move(positions: readonly Position[], position: Position, key: string): Position[] | null {
  const steps: Record<string, [number, number]> = {
    ArrowLeft: [-STEP, 0],
    ArrowRight: [STEP, 0],
    ArrowUp: [0, -STEP],
    ArrowDown: [0, STEP],
  };
  const step = steps[key];
  if (!step) return null;
  const moved = { ...position, x: clampShare(position.x + step[0]), y: clampShare(position.y + step[1]) };
  return place(positions, moved);
}

/** The shortest way between two positions on a plan of that size; endless for fewer than two. */
export function closest(positions: readonly Position[], width: number, height: number): number {
  let shortest = Number.POSITIVE_INFINITY;
  positions.forEach((one, at) => {
    for (const other of positions.slice(at + 1)) {
      shortest = Math.min(shortest, Math.hypot((one.x - other.x) * width, (one.y - other.y) * height));
    }
  });
  return shortest;
}
