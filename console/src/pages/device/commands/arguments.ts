/** Arguments of an action, from what was typed to what is sent. */

export interface ArgumentSpec {
  name: string;
  kind: 'number' | 'integer' | 'text' | 'flag';
  required: boolean;
  min: number | null;
  max: number | null;
  choices: string[];
}

export interface ActionSpec {
  name: string;
  /** Something moves. */
  moves: boolean;
  arguments: ArgumentSpec[];
}

export type Typed = Record<string, string>;
/** A key of `device:argument`. */
export type ArgumentProblem = 'missing' | 'notNumber' | 'notWhole' | 'outOfRange' | 'notChoice';

export interface Checked {
  values: Record<string, string | number | boolean>;
  problems: Record<string, ArgumentProblem>;
}

function checkNumber(spec: ArgumentSpec, text: string): number | ArgumentProblem {
  const value = Number(text);
  if (!Number.isFinite(value)) return 'notNumber';
  if (spec.kind === 'integer' && !Number.isInteger(value)) return 'notWhole';
  if ((spec.min !== null && value < spec.min) || (spec.max !== null && value > spec.max)) return 'outOfRange';
  return value;
}

/** Checks every argument; the collector checks them again. */
export function checkArguments(specs: readonly ArgumentSpec[], typed: Typed): Checked {
  const checked: Checked = { values: {}, problems: {} };
  for (const spec of specs) {
    const text = (typed[spec.name] ?? '').trim();
    if (text === '') {
      if (spec.required) checked.problems[spec.name] = 'missing';
    } else if (spec.kind === 'flag') {
      checked.values[spec.name] = text === 'true';
    } else if (spec.kind === 'text') {
      if (spec.choices.length > 0 && !spec.choices.includes(text)) checked.problems[spec.name] = 'notChoice';
      else checked.values[spec.name] = text;
    } else {
      const value = checkNumber(spec, text);
      if (typeof value === 'number') checked.values[spec.name] = value;
      else checked.problems[spec.name] = value;
    }
  }
  return checked;
}
