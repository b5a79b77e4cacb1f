/** Health and severity: a shape and a word each, so that colour is never the only sign. */
import { useTranslation } from 'react-i18next';
import { useIsStale } from '../api/live';
import type { Health, HealthLevel, Severity } from '../api/types';
import { useWords } from '../i18n/words';
import classes from './badges.module.css';
import { Hint } from './hint';

/** From what must be looked at first to what needs nobody. */
export const LEVELS: readonly HealthLevel[] = [
  'unreachable',
  'reachable',
  'answering',
  'unknown',
  'maintenance',
  'disabled',
  'working',
];
export const SEVERITIES: readonly Severity[] = ['critical', 'major', 'warning', 'info'];

export type Tone = 'ok' | 'warn' | 'serious' | 'bad' | 'calm' | 'off';

export const LEVEL_TONES: Record<HealthLevel, Tone> = {
  working: 'ok',
  answering: 'warn',
  reachable: 'serious',
  unreachable: 'bad',
  maintenance: 'calm',
  disabled: 'off',
  unknown: 'off',
};

export const SEVERITY_TONES: Record<Severity, Tone> = {
  critical: 'bad',
  major: 'serious',
  warning: 'warn',
  info: 'calm',
};

const LEVEL_SHAPES: Record<HealthLevel, React.ReactNode> = {
  working: <circle cx="8" cy="8" r="6" fill="currentColor" />,
  answering: (
    <>
      <circle cx="8" cy="8" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M8 2.800a5.2 5.2 0 0 1 0 10.400z" fill="currentColor" />
    </>
  ),
  reachable: (
    <path
      d="M8 2 14.5 13.500H1.500z"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinejoin="round"
    />
  ),
  unreachable: <path d="M8 1 15 8 8 15 1 8z" fill="currentColor" />,
  maintenance: (
    <path d="M3 3h10v10H3z" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinejoin="round" />
  ),
  disabled: (
    <>
      <circle cx="8" cy="8" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M4.5 11.500l7-7" stroke="currentColor" strokeWidth="1.6" />
    </>
  ),
  unknown: (
    <circle
      cx="8"
      cy="8"
      r="5.2"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeDasharray="2.6 2.2"
    />
  ),
};

const SEVERITY_SHAPES: Record<Severity, React.ReactNode> = {
  critical: <path d="M8 1 15 8 8 15 1 8z" fill="currentColor" />,
  major: <path d="M8 1.5 15 14H1z" fill="currentColor" />,
  warning: (
    <path
      d="M8 2 14.5 13.500H1.500z"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinejoin="round"
    />
  ),
  info: <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" strokeWidth="1.8" />,
};

function Shape({ children, size }: { children: React.ReactNode; size: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

/** Drawn once: an element that stays the same is not looked at again. */
const LEVEL_SIGNS = Object.fromEntries(
  LEVELS.map((level) => [
    level,
    <Shape key={level} size={11}>
      {LEVEL_SHAPES[level]}
    </Shape>,
  ]),
) as Record<HealthLevel, React.ReactNode>;

/** The sign of a level alone; put a word beside it. */
export function LevelShape({ level, size = 12 }: { level: HealthLevel; size?: number }) {
  return (
    <span className={classes['tone']} data-tone={LEVEL_TONES[level]}>
      <Shape size={size}>{LEVEL_SHAPES[level]}</Shape>
    </span>
  );
}

/** The sign of a severity alone; put a word beside it. */
export function SeverityShape({ severity, size = 12 }: { severity: Severity; size?: number }) {
  return (
    <span className={classes['tone']} data-tone={SEVERITY_TONES[severity]}>
      <Shape size={size}>{SEVERITY_SHAPES[severity]}</Shape>
    </span>
  );
}

interface BadgeProps {
  tone: Tone;
  shape?: React.ReactNode;
  /** Not how it is now, but how it last was. */
  old?: boolean;
  children: React.ReactNode;
}

/** A word with a sign in a tone, for states of anything else. */
export function ToneBadge({ tone, shape, old, children }: BadgeProps) {
  return (
    <span className={classes['badge']} data-tone={tone} data-old={old || undefined}>
      {shape}
      {children}
    </span>
  );
}

interface LevelBadgeProps {
  level: HealthLevel;
  word: string;
  old: boolean;
  title?: string | undefined;
}

/** The same as `HealthBadge` of what is given, without asking anybody: lists draw many while somebody scrolls. */
export function LevelBadge({ level, word, old, title }: LevelBadgeProps) {
  return (
    <span
      className={classes['badge']}
      data-tone={LEVEL_TONES[level] ?? 'off'}
      data-old={old || undefined}
      title={title}
    >
      {LEVEL_SIGNS[level] ?? LEVEL_SIGNS.unknown}
      {word}
    </span>
  );
}

/** How far a device can be used. Greyed, and called so, when it is only how it last was. */
export function HealthBadge({ health }: { health: Pick<Health, 'level'> & Partial<Health> }) {
  const { t } = useTranslation('common');
  const words = useWords();
  const isDown = useIsStale();
  const old = isDown || health.current === false;
  const badge = <LevelBadge level={health.level} word={words.health(health.level)} old={old} />;
  const why = [
    old ? t('lastKnown') : '',
    health.reason ? words.reason(health.reason) : '',
    words.text(health),
  ];
  const label = why.filter((part) => part !== '').join(' · ');
  return <Hint label={label}>{badge}</Hint>;
}

export function SeverityBadge({ severity, old }: { severity: Severity; old?: boolean }) {
  const words = useWords();
  return (
    <ToneBadge
      tone={SEVERITY_TONES[severity] ?? 'off'}
      old={old ?? false}
      shape={<Shape size={11}>{SEVERITY_SHAPES[severity]}</Shape>}
    >
      {words.severity(severity)}
    </ToneBadge>
  );
}
