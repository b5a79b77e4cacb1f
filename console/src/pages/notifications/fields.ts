/** The settings of each kind of channel: what is asked for, and how it becomes what the collector takes. */
import type { Kind } from './types';

export type FieldType = 'text' | 'number' | 'choice' | 'lines' | 'pairs' | 'area';

export interface Field {
  /** Its name in the settings; `success.pointer` lies one level deeper. */
  name: string;
  type: FieldType;
  required?: boolean;
  choices?: readonly string[];
  fallback?: string;
  /** A key of the words `field`, where they are not those of its name. */
  label?: string;
  help?: string;
}

const secret = (name: string): Field => ({ name, type: 'text' });
const ROBOT: Field = { name: 'url', type: 'text', required: true, label: 'urlRobot', help: 'urlRobotHelp' };
const TO: Field = { name: 'to', type: 'lines', help: 'toHelp' };

export const FIELDS: Record<Kind, readonly Field[]> = {
  email: [
    { name: 'host', type: 'text', required: true },
    { name: 'tls', type: 'choice', choices: ['starttls', 'tls', 'none'], fallback: 'starttls' },
    { name: 'port', type: 'number', help: 'portHelp' },
    { name: 'username', type: 'text' },
    secret('password_secret'),
    { name: 'from', type: 'text', required: true },
    TO,
  ],
  webhook: [
    { name: 'url', type: 'text', required: true },
    { name: 'headers', type: 'pairs', help: 'headersHelp' },
    secret('sign_secret'),
  ],
  wecom: [ROBOT],
  dingtalk: [ROBOT, secret('sign_secret')],
  feishu: [ROBOT, secret('sign_secret')],
  sms: [
    { name: 'url', type: 'text', required: true, help: 'urlSmsHelp' },
    { name: 'method', type: 'choice', choices: ['POST', 'PUT', 'GET'], fallback: 'POST' },
    { name: 'content', type: 'choice', choices: ['json', 'form', 'text'], fallback: 'json' },
    { name: 'body', type: 'area', help: 'bodyHelp' },
    { name: 'headers', type: 'pairs', help: 'headersHelp' },
    { name: 'success.pointer', type: 'text', label: 'pointer', help: 'pointerHelp' },
    { name: 'success.equals', type: 'text', label: 'equals' },
    TO,
  ],
  alertmanager: [
    { name: 'url', type: 'text', required: true },
    { name: 'username', type: 'text' },
    secret('password_secret'),
    secret('token_secret'),
    { name: 'labels', type: 'pairs', help: 'labelsHelp' },
  ],
};

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function valueAt(settings: Record<string, unknown>, name: string): unknown {
  const [first = '', second] = name.split('.');
  return second === undefined ? settings[first] : record(settings[first])[second];
}

/** What a form shows of settings: texts all of them. */
export function toForm(kind: Kind, settings: Record<string, unknown>): Record<string, string> {
  const entries = FIELDS[kind].map((field) => {
    const value = valueAt(settings, field.name);
    if (value === undefined || value === null) return [field.name, field.fallback ?? ''];
    if (field.type === 'lines') return [field.name, Array.isArray(value) ? value.join('\n') : ''];
    if (field.type === 'pairs') {
      const lines = Object.entries(record(value)).map(([name, text]) => `${name}: ${text}`);
      return [field.name, lines.join('\n')];
    }
    return [
      field.name,
      typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value),
    ];
  });
  return Object.fromEntries(entries);
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function pairs(text: string): Record<string, string> {
  const entries = lines(text).map((line) => {
    const at = line.indexOf(':');
    return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
  return Object.fromEntries(entries);
}

/** A gateway may answer with a number, a word or a truth; text that is none of JSON's stays text. */
function plain(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Settings out of a form. What was left empty is left out, except for lists. */
export function fromForm(kind: Kind, form: Record<string, string>): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const field of FIELDS[kind]) {
    const text = (form[field.name] ?? '').trim();
    const [first = '', second] = field.name.split('.');
    if (field.type === 'lines') settings[first] = lines(text);
    else if (text === '') continue;
    else if (field.type === 'pairs') settings[first] = pairs(text);
    else if (field.type === 'number') settings[first] = Number(text);
    else if (second !== undefined) {
      settings[first] = { ...record(settings[first]), [second]: second === 'equals' ? plain(text) : text };
    } else settings[first] = text;
  }
  return settings;
}

/** Names of what must be filled and is not. */
export function missing(kind: Kind, form: Record<string, string>): string[] {
  return FIELDS[kind]
    .filter((field) => field.required && !(form[field.name] ?? '').trim())
    .map(({ name }) => name);
}

/** Where messages of a channel go, in short. */
export function destination(kind: Kind, settings: Record<string, unknown>): string {
  const to = Array.isArray(settings.to) ? settings.to.map(String) : [];
  if (kind === 'email') return [String(settings.host ?? ''), ...to].filter((part) => part !== '').join(' → ');
  try {
    return new URL(String(settings.url ?? '')).host;
  } catch {
    return String(settings.url ?? '');
  }
}
