/** States over time as bands, with the time spent in each. */
import { useId } from 'react';
import { useTranslation } from 'react-i18next';
import { useWords } from '../../../i18n/words';
import { shareText } from '../../../ui/number';
import { timeText } from '../../../ui/time';
import { useDurationText } from '../../../ui/time-text';
import classes from './charts.module.css';
import { AXIS_PX, stateColour } from './colours';
import { type Band, timeInState } from './series';

interface StateBandsProps {
  name: string;
  bands: readonly Band[];
  from: number;
  to: number;
  zone: string;
  width: number;
}

const HEIGHT = 22;

export function StateBands({ name, bands, from, to, zone, width }: StateBandsProps) {
  const { t } = useTranslation('device');
  const words = useWords();
  const durationText = useDurationText();
  const id = useId();
  const spent = timeInState(bands);
  const known = spent.map(([word]) => word);
  const total = spent.reduce((sum, [, ms]) => sum + ms, 0);
  const inner = Math.max(1, width - AXIS_PX - 8);
  const x = (ms: number) => AXIS_PX + ((ms - from) / Math.max(1, to - from)) * inner;
  const wordOf = (word: string) => (word === '(bad)' ? t('charts.noReading') : words.state(word));
  const fill = (word: string) => stateColour(word, known).replace('#no-reading', `#${id}`);
  return (
    <figure className={classes['bands']}>
      <figcaption className={classes['bandName']}>{name}</figcaption>
      <svg width={width} height={HEIGHT} role="img" aria-label={name}>
        <defs>
          <pattern id={id} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="3" height="6" fill="var(--k-line)" />
          </pattern>
        </defs>
        <rect x={AXIS_PX} width={inner} height={HEIGHT} fill="var(--k-raised)" />
        {bands.map((band) => {
          const label = `${timeText(band.from, zone)} – ${timeText(band.to, zone)}\n${band.spent
            .map(([word, share]) => (share === 1 ? wordOf(word) : `${wordOf(word)} ${shareText(share)}`))
            .join('\n')}`;
          let top = 0;
          return (
            <g key={band.from}>
              <title>{label}</title>
              {band.spent.map(([word, share]) => {
                const y = top;
                top += share * HEIGHT;
                return (
                  <rect
                    key={word}
                    x={x(band.from)}
                    y={y}
                    width={Math.max(1, x(band.to) - x(band.from))}
                    height={share * HEIGHT}
                    fill={fill(word)}
                  />
                );
              })}
            </g>
          );
        })}
      </svg>
      <ul className={classes['spent']} style={{ paddingLeft: AXIS_PX }}>
        {spent.map(([word, ms]) => (
          <li key={word}>
            <svg width="10" height="10" aria-hidden="true">
              <rect width="10" height="10" rx="2" fill={fill(word)} />
            </svg>
            {wordOf(word)}{' '}
            <span className="k-dim k-num">{`${durationText(ms)} · ${shareText(ms / Math.max(1, total))}`}</span>
          </li>
        ))}
        {spent.length === 0 && <li className="k-dim">{t('charts.nothing')}</li>}
      </ul>
    </figure>
  );
}
