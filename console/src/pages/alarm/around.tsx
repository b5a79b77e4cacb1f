/** The alarm's point from an hour before it was raised until an hour after it cleared. */
import { useElementSize } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useWords } from '../../i18n/words';
import { AppLink } from '../../ui/link';
import { serverNow } from '../../ui/now';
import { unitText } from '../../ui/number';
import { Panel } from '../../ui/page';
import { timeText } from '../../ui/time';
import { useZone } from '../../ui/zone';
import type { AlarmDetail } from '../alarms/types';
import { IncompleteNote } from '../device/charts/incomplete-note';
import { LineChart } from '../device/charts/line-chart';
import { resolutionFor, type SeriesAnswer, toBands, toLine } from '../device/charts/series';
import { StateBands } from '../device/charts/state-bands';

const AROUND_MS = 3_600_000;
/** Of an alarm that stands for long, the beginning is what tells most. */
const LONGEST_MS = 24 * AROUND_MS;
const MINUTE_MS = 60_000;

export function rangeAround(
  alarm: Pick<AlarmDetail, 'raised_ms' | 'cleared_ms'>,
  now: number,
): { from: number; to: number } {
  const from = alarm.raised_ms - AROUND_MS;
  const until = Math.min((alarm.cleared_ms ?? now) + AROUND_MS, from + LONGEST_MS, now);
  // In whole minutes, so that the question is the same one for a while.
  return { from: Math.floor(from / MINUTE_MS) * MINUTE_MS, to: Math.ceil(until / MINUTE_MS) * MINUTE_MS };
}

export function Around({ alarm }: { alarm: AlarmDetail }) {
  const { t } = useTranslation('alarm');
  const words = useWords();
  const zone = useZone(alarm.site);
  const { ref, width } = useElementSize();
  const { device, point } = alarm;
  const { from, to } = rangeAround(alarm, serverNow());
  const resolution = resolutionFor(to - from, width || 700);
  const { data } = useQuery({
    queryKey: ['series', device, point, resolution, from, to],
    queryFn: ({ signal }) => {
      const path = `/devices/${encodeURIComponent(device ?? '')}/series`;
      return api.get<SeriesAnswer>(path, { points: point, resolution, from, to }, signal);
    },
    enabled: width > 0,
    retry: false,
    refetchOnWindowFocus: false,
  });
  const series = data?.series.find((each) => each.point === point);
  const line = series ? toLine(series, data?.resolution ?? 'raw') : null;
  const bands = series && !line ? toBands(series, data?.resolution ?? 'raw', from, to) : [];
  const name = words.point(point);
  const decimals = typeof alarm.value === 'number' && !Number.isInteger(alarm.value) ? 2 : 0;
  const ends = [`${t('raisedMark')} ${timeText(alarm.raised_ms, zone, 'time')}`];
  if (alarm.cleared_ms !== null) ends.push(`${t('clearedMark')} ${timeText(alarm.cleared_ms, zone, 'time')}`);
  const look = { tab: 'charts', points: point, from: String(from), to: String(to) };
  return (
    <Panel
      title={t('chart', { point: name })}
      aside={
        <AppLink to={`/devices/${device}`} search={look}>
          {t('chartMore')}
        </AppLink>
      }
    >
      <div ref={ref} style={{ minHeight: 40 }}>
        {series && <IncompleteNote series={[series]} zone={zone} />}
        {data && !line && bands.length === 0 && <span className="k-dim">{t('chartEmpty')}</span>}
        {line && width > 0 && (
          <LineChart
            lines={[{ name, line }]}
            unit={unitText(series?.unit ?? '')}
            decimals={decimals}
            from={from}
            to={to}
            zone={zone}
            width={width}
            timeLabel={t('device:time')}
            onZoom={() => {}}
            onWiden={() => {}}
          />
        )}
        {bands.length > 0 && width > 0 && (
          <StateBands name={name} bands={bands} from={from} to={to} zone={zone} width={width} />
        )}
      </div>
      <div className="k-dim">{ends.join(' · ')}</div>
    </Panel>
  );
}
