/** The picture: boxes with what hangs on them, and lines between them. */
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import { useWords } from '../../i18n/words';
import { LEVEL_TONES } from '../../ui/badges';
import type { Size, View } from '../../ui/pan-zoom';
import { isCurrent } from '../assets/data';
import { BOX, CELL, type Layout, middle, type Placed } from './layout';
import { Mark } from './mark';
import classes from './topology.module.css';

interface DrawingProps {
  drawn: Layout;
  view: View;
  screen: Size;
  chosen: string;
  isStale: boolean;
  onChoose: (id: string) => void;
}

export function Drawing({ drawn, view, screen, chosen, isStale, onChoose }: DrawingProps) {
  return (
    <svg
      className={classes['picture']}
      width={screen.width}
      height={screen.height}
      data-old={isStale || undefined}
      role="presentation"
    >
      <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>
        <Nodes drawn={drawn} chosen={chosen} onChoose={onChoose} />
      </g>
    </svg>
  );
}

/** Drawn again when something changed, and not while the picture is only moved. */
const Nodes = memo(function Nodes({
  drawn,
  chosen,
  onChoose,
}: Pick<DrawingProps, 'drawn' | 'chosen' | 'onChoose'>) {
  const entries = [...drawn.placed.values()];
  return (
    <>
      {entries.map(
        (entry) => entry.isBox && <Branch key={`branch ${entry.node.id}`} entry={entry} drawn={drawn} />,
      )}
      {drawn.across.map((edge) => {
        const from = drawn.placed.get(edge.from);
        const to = drawn.placed.get(edge.to);
        if (!from || !to) return null;
        const isNear = chosen === edge.from || chosen === edge.to;
        // All wires at once would hide the tree; those of the chosen node are shown.
        if (!isNear && edge.kind === 'neighbour') return null;
        const [a, b] = [middle(from), middle(to)];
        const bend = Math.max(a.x, b.x) + 60;
        return (
          <path
            key={`${edge.kind} ${edge.from} ${edge.to}`}
            className={classes['across']}
            data-kind={edge.kind}
            data-near={isNear || undefined}
            d={`M${a.x} ${a.y}C${bend} ${a.y} ${bend} ${b.y} ${b.x} ${b.y}`}
          />
        );
      })}
      {entries.map((entry) =>
        entry.isBox ? (
          <Box key={entry.node.id} entry={entry} isChosen={entry.node.id === chosen} onChoose={onChoose} />
        ) : (
          <Cell key={entry.node.id} entry={entry} isChosen={entry.node.id === chosen} onChoose={onChoose} />
        ),
      )}
    </>
  );
});

/** The line from a box up to that of its parent. */
function Branch({ entry, drawn }: { entry: Placed; drawn: Layout }) {
  const parent = entry.parent ? drawn.placed.get(entry.parent) : undefined;
  if (!parent) return null;
  const x = parent.x + 16;
  const y = entry.y + BOX.height / 2;
  return (
    <path
      className={classes['branch']}
      data-dead={entry.hiddenBy !== null || undefined}
      d={`M${x} ${parent.y + BOX.height}V${y}H${entry.x}`}
    />
  );
}

interface NodeProps {
  entry: Placed;
  isChosen: boolean;
  onChoose: (id: string) => void;
}

const Box = memo(function Box({ entry, isChosen, onChoose }: NodeProps) {
  const { t } = useTranslation('topology');
  const words = useWords();
  const { node, level } = entry;
  const choose = () => onChoose(node.id);
  const label = node.label.length > 17 ? `${node.label.slice(0, 16)}…` : node.label;
  return (
    <g
      className={classes['node']}
      transform={`translate(${entry.x} ${entry.y})`}
      data-tone={LEVEL_TONES[level]}
      data-chosen={isChosen || undefined}
      data-hidden={entry.hiddenBy !== null || undefined}
      data-old={!isCurrent(node) || undefined}
      role="button"
      tabIndex={0}
      aria-label={`${node.label}, ${words.health(level)}`}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key === 'Enter' || event.key === ' ') choose();
      }}
    >
      <title>{`${node.label}\n${words.class(node.class)} · ${words.health(level)}`}</title>
      <rect width={BOX.width} height={BOX.height} rx="6" />
      <g transform="translate(12 12)">
        <Mark level={level} />
      </g>
      <text x="36" y="17">
        {label}
      </text>
      <text x="36" y="32" className={classes['small']}>
        {words.health(level)} · {t('below', { count: entry.below })}
        {node.alarms > 0 && ` · ${t('alarms', { count: node.alarms })}`}
      </text>
    </g>
  );
});

const Cell = memo(function Cell({ entry, isChosen, onChoose }: NodeProps) {
  const words = useWords();
  const { node, level } = entry;
  return (
    <g
      className={classes['cell']}
      transform={`translate(${entry.x} ${entry.y})`}
      data-tone={LEVEL_TONES[level]}
      data-chosen={isChosen || undefined}
      data-hidden={entry.hiddenBy !== null || undefined}
      data-old={!isCurrent(node) || undefined}
      role="button"
      tabIndex={-1}
      aria-label={`${node.label}, ${words.health(level)}`}
      onClick={() => onChoose(node.id)}
    >
      <title>{`${node.label}\n${words.class(node.class)} · ${words.health(level)}`}</title>
      <rect x="1" y="1" width={CELL - 2} height={CELL - 2} rx="3" />
      <g transform={`translate(${CELL / 2 - 8} ${CELL / 2 - 8})`}>
        <Mark level={level} />
      </g>
      {node.alarms > 0 && <circle className={classes['alarm']} cx={CELL - 4} cy="4" r="3" />}
    </g>
  );
});
