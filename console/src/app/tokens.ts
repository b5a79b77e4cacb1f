/** Colours by what they mean, for both schemes. A test holds each text colour against its backgrounds (WCAG AA). */
export interface Tokens {
  /** Behind everything. */
  ground: string;
  /** Cards, tables. */
  surface: string;
  /** Table heads, hovered rows. */
  raised: string;
  ink: string;
  /** Text that matters less. */
  dim: string;
  line: string;
  accent: string;
  /** Behind what is chosen. */
  accentSoft: string;
  ok: string;
  okSoft: string;
  warn: string;
  warnSoft: string;
  serious: string;
  seriousSoft: string;
  bad: string;
  badSoft: string;
  calm: string;
  calmSoft: string;
  off: string;
  offSoft: string;
}

export const LIGHT: Tokens = {
  ground: '#eff3f5',
  surface: '#ffffff',
  raised: '#f5f8f9',
  ink: '#10242e',
  dim: '#4b616d',
  line: '#d3dee3',
  accent: '#046472',
  accentSoft: '#dcecef',
  ok: '#0a694c',
  okSoft: '#def1e9',
  warn: '#7d5200',
  warnSoft: '#fbf0d6',
  serious: '#9a4106',
  seriousSoft: '#fce7d8',
  bad: '#a91d1f',
  badSoft: '#fbe2e0',
  calm: '#1a5a9e',
  calmSoft: '#e0ecf9',
  off: '#4b616d',
  offSoft: '#e6ecef',
};

export const DARK: Tokens = {
  ground: '#0a151c',
  surface: '#101f29',
  raised: '#162a36',
  ink: '#dde8ec',
  dim: '#98afba',
  line: '#233a47',
  accent: '#58b9c4',
  accentSoft: '#123540',
  ok: '#55cfa1',
  okSoft: '#10342a',
  warn: '#e5b757',
  warnSoft: '#372c11',
  serious: '#f39c62',
  seriousSoft: '#3b2616',
  bad: '#ff8a83',
  badSoft: '#421d1f',
  calm: '#82baf6',
  calmSoft: '#152f4a',
  off: '#98afba',
  offSoft: '#1d313c',
};

/** The shell's own: the navigation is dark blue in both schemes. */
export const SHELL = {
  ground: '#0c2431',
  hover: '#14394a',
  active: '#0d4c59',
  ink: '#e3eef1',
  dim: '#9db8c3',
};
