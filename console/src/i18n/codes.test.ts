/**
 * Whatever the collector names by code has words in both languages.
 *
 * The codes are read from where they are made: the description of the API, and where that has no list of them, the
 * collector's own source, the shipped rules and profiles.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { words as en } from './en';
import { keyOf } from './points';
import { words as zh } from './zh';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string) => readFileSync(ROOT + path, 'utf8');

interface Schema {
  enum?: string[];
  properties?: Record<string, { description?: string }>;
}
const { schemas } = (
  JSON.parse(read('console/openapi.json')) as { components: { schemas: Record<string, Schema> } }
).components;

/** The values of an enumeration of the API. */
function listed(schema: string): string[] {
  return schemas[schema]?.enum ?? [];
}

/** The codes that the description of a field lists in backticks. */
function described(schema: string, field: string): string[] {
  const text = schemas[schema]?.properties?.[field]?.description ?? '';
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

/** The codes that a pattern finds in a file. */
function found(path: string, pattern: RegExp): string[] {
  return [...read(path).matchAll(pattern)].map(([, code = '']) => code);
}

/** The same in all files of a folder and those below it. */
function foundBelow(folder: string, end: string, pattern: RegExp): string[] {
  const files = readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' });
  const codes = files
    .filter((file) => file.endsWith(end))
    .flatMap((file) => found(`${folder}/${file}`, pattern));
  return [...new Set(codes)];
}

function kebab(name: string): string {
  return name.replace(/(?<!^)([A-Z])/g, '-$1').toLowerCase();
}

/** Conditions of shipped rules: what they say, or else their id. */
function conditions(): string[] {
  return readdirSync(`${ROOT}configs/rules`).flatMap((file) => {
    const text = read(`configs/rules/${file}`);
    const named = /^condition = "(.+)"/m.exec(text)?.[1] ?? /^id = "(.+)"/m.exec(text)?.[1];
    return named ? [named] : [];
  });
}

/** Reasons of the reading's quality, from the variants of the enumeration. */
function qualityReasons(): string[] {
  const body = /pub enum QualityReason \{([^}]*)\}/.exec(read('protocol/src/value.rs'))?.[1] ?? '';
  return [...body.matchAll(/^ {4}([A-Z]\w+),/gm)].map(([, name = '']) => kebab(name));
}

/** Rights by name; roles have their names in the same file. */
function rights(): string[] {
  const text = read('collector/src/auth/right.rs');
  const body = /impl Right \{[\s\S]*?fn as_str[^{]*\{([\s\S]*?)\n {4}\}/.exec(text)?.[1] ?? '';
  return [...body.matchAll(/=> "([a-z-]+)"/g)].map(([, name = '']) => name);
}

/** What drivers say of a device that is not well. */
function healthReasons(): string[] {
  const bodies = foundBelow('drivers/src', '.rs', /fn reason\([^)]*\) -> &'static str \{([\s\S]*?)\n {4}\}/g);
  return bodies.flatMap((body) => [...body.matchAll(/"([a-z-]+)"/g)].map(([, code = '']) => code));
}

const TABLE: [what: string, namespace: string, group: string, codes: () => string[]][] = [
  ['rights', 'common', 'right', rights],
  ['roles', 'common', 'role', () => listed('Role')],
  ['roles of users', 'people', 'role', () => listed('Role')],
  ['acts on alarms', 'alarms', 'act', () => listed('Do')],
  ['kinds of channels', 'notifications', 'kind', () => listed('ChannelKind')],
  ['severities', 'terms', 'severity', () => described('AlarmView', 'severity')],
  ['states of alarms', 'alarms', 'state', () => described('AlarmView', 'state')],
  ['levels of health', 'terms', 'health', () => described('HealthView', 'level')],
  ['states of commands', 'device', 'command.state', () => described('CommandRow', 'state')],
  ['states of notifications', 'notifications', 'record.state', () => described('NotificationRow', 'state')],
  ['kinds of notifications', 'notifications', 'record.kind', () => described('NotificationRow', 'kind')],
  ['kinds of actors', 'audit', 'actorKind', () => described('AuditRow', 'actor_kind')],
  ['deeds', 'audit', 'action', () => foundBelow('collector/src/http', '.rs', /Deed::new\(\s*"([a-z-]+)"/g)],
  ['reasons of gaps', 'agents', 'gap.why', () => found('protocol/src/gap.rs', /Self::\w+ => "([a-z-]+)"/g)],
  ['reasons of readings', 'terms', 'reason', qualityReasons],
  ['reasons of health', 'terms', 'reason', healthReasons],
  [
    'reasons of the agent',
    'terms',
    'reason',
    () => found('agent/src/own/driver.rs', /HealthLevel::\w+, "([a-z-]+)"/g),
  ],
  ['conditions', 'terms', 'condition', conditions],
  [
    'classes of profiles',
    'terms',
    'class',
    () => foundBelow('configs/profiles', '.toml', /^class = "(.+)"/gm),
  ],
  [
    'actions of profiles',
    'terms',
    'action',
    () => foundBelow('configs/profiles', '.toml', /\[\[action\]\]\s+name = "(.+)"/g),
  ],
];

function textAt(words: typeof zh, namespace: string, group: string, code: string): unknown {
  const texts = group
    .split('.')
    .reduce<unknown>(
      (inner, part) => (inner as Record<string, unknown> | undefined)?.[part],
      words[namespace],
    );
  return (texts as Record<string, unknown> | undefined)?.[keyOf(code)];
}

describe('words for codes', () => {
  it.each(TABLE)('are there for %s', (_, namespace, group, codesOf) => {
    const codes = codesOf();
    // A list that is empty was not found, which must not pass for everything having words.
    expect(codes.length).toBeGreaterThan(1);
    for (const [language, words] of [
      ['zh', zh],
      ['en', en],
    ] as const) {
      const without = codes.filter((code) => typeof textAt(words, namespace, group, code) !== 'string');
      expect(without, `${language}/${namespace}.json ${group}`).toEqual([]);
    }
  });
});
