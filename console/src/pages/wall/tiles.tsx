/** All sites, or all classes, as tiles: a sign, a name, and how many do not work. */
import { useTranslation } from 'react-i18next';
import { troubled, unobserved, worstLevel } from '../../api/standing';
import type { ByLevel, Overview } from '../../api/types';
import { useWords } from '../../i18n/words';
import { LEVEL_TONES, LevelShape } from '../../ui/badges';
import { worstFirst } from '../map/order';
import classes from './wall.module.css';

/** What fits on a wall and can still be read. */
const TILES = 20;

interface TileProps {
  title: string;
  total: number;
  row: { by_level: ByLevel };
  alarms: number;
}

function Tile({ title, total, row, alarms }: TileProps) {
  const { t } = useTranslation('wall');
  const level = worstLevel([row]);
  const bad = troubled(row.by_level);
  const unknown = unobserved(row.by_level);
  return (
    <li className={classes['tile']} data-tone={LEVEL_TONES[level]}>
      <div>
        <LevelShape level={level} size={26} /> <b>{title}</b>
      </div>
      <div>
        <strong>
          {bad > 0
            ? t('tileBad', { bad, total })
            : unknown > 0
              ? t('tileUnknown', { unknown, total })
              : t('tileWell', { total })}
        </strong>
        {bad > 0 && unknown > 0 && <span>{t('unobservedShort', { count: unknown })}</span>}
        {alarms > 0 && <span>{t('tileAlarms', { alarms })}</span>}
      </div>
    </li>
  );
}

function Tiles({ left, children }: { left: number; children: React.ReactNode }) {
  const { t } = useTranslation('wall');
  return (
    <div className={classes['tilesFrame']}>
      <ul className={classes['tiles']}>{children}</ul>
      {left > 0 && <p className={classes['more']}>{t('moreTiles', { count: left })}</p>}
    </div>
  );
}

export function SitesView({ overview, name }: { overview: Overview; name: (site: string) => string }) {
  const rows = [...overview.sites].sort(worstFirst);
  return (
    <Tiles left={rows.length - TILES}>
      {rows.slice(0, TILES).map((row) => (
        <Tile key={row.site} title={name(row.site)} total={row.total} row={row} alarms={row.open_alarms} />
      ))}
    </Tiles>
  );
}

export function ClassesView({ overview }: { overview: Overview }) {
  const words = useWords();
  const rows = [...overview.classes].sort(
    (a, b) =>
      troubled(b.by_level) - troubled(a.by_level) ||
      b.open_alarms - a.open_alarms ||
      unobserved(b.by_level) - unobserved(a.by_level) ||
      b.total - a.total,
  );
  return (
    <Tiles left={rows.length - TILES}>
      {rows.slice(0, TILES).map((row) => (
        <Tile
          key={row.class}
          title={words.class(row.class)}
          total={row.total}
          row={row}
          alarms={row.open_alarms}
        />
      ))}
    </Tiles>
  );
}
