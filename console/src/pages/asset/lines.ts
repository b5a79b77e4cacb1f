/** Neighbours as lines of a form. */
import type { Neighbour } from '../assets/types';

/** A line keeps its key while others come and go, so that nobody's typing lands in another one. */
export type Line = Neighbour & { key: number };

export function linesOf(neighbours: readonly Neighbour[]): Line[] {
  return neighbours.map((neighbour, key) => ({ ...neighbour, key }));
}

/** What is sent; a line that nobody filled in is none. */
export function neighboursOf(lines: readonly Line[]): Neighbour[] {
  return lines
    .map(({ asset, port, their_port }) => ({ asset, port: port.trim(), their_port: their_port.trim() }))
    .filter(({ asset, port, their_port }) => asset !== '' || port !== '' || their_port !== '');
}

/** A key of the words `wrongConnection`, or nothing. */
export function wrongWith(lines: readonly Line[]): 'asset' | 'port' | 'twice' | null {
  const neighbours = neighboursOf(lines);
  if (neighbours.some(({ asset }) => asset === '')) return 'asset';
  // These two separate ports and neighbours in tables.
  if (neighbours.some(({ port, their_port }) => /[|;]/.test(port + their_port))) return 'port';
  const ports = neighbours.map(({ port }) => port).filter((port) => port !== '');
  const whole = neighbours.map((neighbour) => JSON.stringify(neighbour));
  return new Set(ports).size < ports.length || new Set(whole).size < whole.length ? 'twice' : null;
}
