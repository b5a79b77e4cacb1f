/** The console's look: deep teal and navy, dense, calm. */
import {
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
  Modal,
  Table,
  Tooltip,
} from '@mantine/core';
import { DARK, LIGHT, SHELL, type Tokens } from './tokens';

const harbor: MantineColorsTuple = [
  '#e6f4f5',
  '#cfe5e8',
  '#a0cad0',
  '#6daeb7',
  '#4597a2',
  '#2a8895',
  '#14778a',
  '#046472',
  '#00525f',
  '#003f4a',
];

/** Mantine's greys of the dark scheme, turned to the sea. */
const dark: MantineColorsTuple = [
  '#dde8ec',
  '#b7c8d0',
  '#98afba',
  '#68818e',
  '#2f4857',
  '#233a47',
  '#162a36',
  '#101f29',
  '#0a151c',
  '#060d12',
];

/** Mantine's own orange and red are too bright for white text on them, and for text on their tints. */
const orange: MantineColorsTuple = [
  '#fdf1e8',
  '#fce7d8',
  '#f7cbac',
  '#f2ad7d',
  '#ec9256',
  '#d9691c',
  '#a84a0a',
  '#9a4106',
  '#843805',
  '#742f03',
];
const red: MantineColorsTuple = [
  '#fdeeed',
  '#fbe2e0',
  '#f5bfbc',
  '#f09a95',
  '#ea7670',
  '#d94a45',
  '#bd2c2a',
  '#a91d1f',
  '#951a1b',
  '#821416',
];

export const theme = createTheme({
  primaryColor: 'harbor',
  primaryShade: { light: 7, dark: 6 },
  colors: { harbor, dark, orange, red },
  fontFamily:
    '"Inter", "Segoe UI", system-ui, -apple-system, "PingFang SC", "HarmonyOS Sans SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "JetBrains Mono", Consolas, "Noto Sans Mono", "Noto Sans Mono CJK SC", monospace',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  defaultRadius: 'sm',
  radius: { xs: '2px', sm: '4px', md: '6px', lg: '8px', xl: '12px' },
  spacing: { xs: '0.5rem', sm: '0.75rem', md: '1rem', lg: '1.25rem', xl: '1.75rem' },
  headings: {
    fontWeight: '600',
    sizes: { h1: { fontSize: '1.25rem' }, h2: { fontSize: '1rem' }, h3: { fontSize: '0.9rem' } },
  },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Tooltip: Tooltip.extend({
      defaultProps: { openDelay: 250, withArrow: true, events: { hover: true, focus: true, touch: true } },
    }),
    Modal: Modal.extend({
      defaultProps: { centered: true, radius: 'md', transitionProps: { duration: 120 } },
    }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 6, horizontalSpacing: 'sm' } }),
  },
});

function variables(tokens: Tokens): Record<string, string> {
  const own = Object.entries(tokens).map(([name, value]) => [
    `--k-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    value,
  ]);
  return {
    ...Object.fromEntries(own),
    '--mantine-color-body': tokens.ground,
    '--mantine-color-text': tokens.ink,
    '--mantine-color-dimmed': tokens.dim,
    '--mantine-color-default': tokens.surface,
    '--mantine-color-default-border': tokens.line,
    '--mantine-color-default-hover': tokens.raised,
    '--mantine-color-anchor': tokens.accent,
    '--mantine-color-placeholder': tokens.dim,
    '--mantine-color-error': tokens.bad,
  };
}

export const cssVariables: CSSVariablesResolver = () => ({
  variables: Object.fromEntries(Object.entries(SHELL).map(([name, value]) => [`--k-shell-${name}`, value])),
  light: variables(LIGHT),
  dark: variables(DARK),
});
