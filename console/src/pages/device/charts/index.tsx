/** Points of the device over time. */
import { ActionIcon, Button, MultiSelect, SegmentedControl, Tooltip } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { api, apiAddress } from '../../../api/client';
import type { DeviceDetail } from '../../../api/types';
import { useWords } from '../../../i18n/words';
import { IconDownload, IconLeft, IconRight } from '../../../ui/icons';
import { serverNow } from '../../../ui/now';
import { unitText } from '../../../ui/number';
import { Panel } from '../../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../../ui/states';
import { timeText } from '../../../ui/time';
import { useZone } from '../../../ui/zone';
import type { DeviceParams, SetDeviceParams } from '../params';
import classes from './charts.module.css';
import { IncompleteNote } from './incomplete-note';
import { LineChart, type NamedLine } from './line-chart';
import { moved, RANGES, type RangeName, rangeOf, widened } from './range';
import { resolutionFor, type SeriesAnswer, toBands, toLine } from './series';
import { StateBands } from './state-bands';

/** More lines than this nobody tells apart. */
const MOST = 12;
const REFRESH_MS = 10_000;

/** What to show when nobody chose: the first measurements and states. */
export function firstPoints(device: DeviceDetail): string[] {
  const of = (kind: string, n: number) => device.points.filter((point) => point.kind === kind).slice(0, n);
  return [...of('measurement', 3), ...of('state', 2), ...of('counter', 1)]
    .slice(0, 4)
    .map((point) => point.point);
}

interface ChartsProps {
  device: DeviceDetail;
  params: DeviceParams;
  set: SetDeviceParams;
}

export function Charts({ device, params, set }: ChartsProps) {
  const { t } = useTranslation('device');
  const words = useWords();
  const zone = useZone(device.site);
  const { ref, width } = useElementSize();
  const chosen = params.points.length > 0 ? params.points : firstPoints(device);
  const range = rangeOf(params.range, params.from, params.to, serverNow());
  const resolution = resolutionFor(range.to - range.from, width || 900);
  const isFixed = !range.follows;
  const { data, error, refetch, isPending } = useQuery({
    queryKey: ['series', device.id, chosen.join(','), resolution, params.range, params.from, params.to],
    queryFn: ({ signal }) => {
      const now = rangeOf(params.range, params.from, params.to, serverNow());
      const query = {
        points: chosen.join(','),
        resolution,
        from: Math.floor(now.from),
        to: Math.ceil(now.to),
      };
      return api.get<SeriesAnswer>(`/devices/${encodeURIComponent(device.id)}/series`, query, signal);
    },
    enabled: chosen.length > 0 && width > 0,
    placeholderData: keepPreviousData,
    refetchInterval: isFixed ? false : REFRESH_MS,
    refetchOnWindowFocus: false,
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: a range that follows moves with its data only
  const drawn = useMemo(() => {
    const byUnit = new Map<string, NamedLine[]>();
    const bands: { point: string; bands: ReturnType<typeof toBands> }[] = [];
    for (const series of data?.series ?? []) {
      const line = toLine(series, data?.resolution ?? 'raw');
      const kind = device.points.find((point) => point.point === series.point)?.kind;
      if (line) {
        const lines = byUnit.get(series.unit) ?? [];
        lines.push({ name: words.point(series.point), line });
        byUnit.set(series.unit, lines);
      } else if (kind === 'state' || kind === 'text') {
        bands.push({
          point: series.point,
          bands: toBands(series, data?.resolution ?? 'raw', range.from, range.to),
        });
      }
    }
    return { byUnit: [...byUnit], bands };
  }, [data, words]);

  const zoom = (from: number, to: number) => set({ from, to: Math.max(to, from + 10_000) }, { push: true });
  const go = (next: { from: number; to: number }) => set(next);
  const decimals = (unit: string) =>
    Math.max(0, ...device.points.filter((point) => point.unit === unit).map((point) => point.decimals));
  const isEmpty = data && drawn.byUnit.length === 0 && drawn.bands.every(({ bands }) => bands.length === 0);
  return (
    <Panel>
      <div className={classes['stack']}>
        <div className={classes['tools']}>
          <SegmentedControl
            size="xs"
            aria-label={t('charts.range')}
            value={isFixed ? '' : params.range}
            onChange={(value) => set({ range: value as RangeName, from: null, to: null })}
            data={RANGES.map((each) => ({ value: each, label: t(`charts.ranges.${each}`) }))}
          />
          <Tooltip label={t('charts.earlier')}>
            <ActionIcon
              variant="default"
              aria-label={t('charts.earlier')}
              onClick={() => go(moved(range, -1, serverNow()))}
            >
              <IconLeft size={16} />
            </ActionIcon>
          </Tooltip>
          <Tooltip label={t('charts.later')}>
            <ActionIcon
              variant="default"
              aria-label={t('charts.later')}
              disabled={!isFixed}
              onClick={() => go(moved(range, 1, serverNow()))}
            >
              <IconRight size={16} />
            </ActionIcon>
          </Tooltip>
          <Button size="xs" variant="default" onClick={() => go(widened(range, serverNow()))}>
            {t('charts.wider')}
          </Button>
          {isFixed && (
            <Button size="xs" variant="subtle" onClick={() => set({ from: null, to: null })}>
              {t('charts.now')}
            </Button>
          )}
          <span className="k-dim k-num">
            {timeText(range.from, zone, 'minute')} –{' '}
            {isFixed ? timeText(range.to, zone, 'minute') : t('charts.untilNow')}
            {data &&
              ` · ${data.resolution === 'raw' ? t('charts.raw') : t('charts.every', { seconds: everyText(data.resolution) })}`}
          </span>
        </div>
        <div className={classes['tools']}>
          <MultiSelect
            aria-label={t('charts.points')}
            placeholder={t('charts.points')}
            value={[...chosen]}
            onChange={(points) => set({ points })}
            maxValues={MOST}
            searchable
            style={{ flex: 1, minWidth: 220 }}
            data={device.points.map((point) => ({ value: point.point, label: words.point(point.point) }))}
          />
          <Button
            component="a"
            size="xs"
            variant="default"
            leftSection={<IconDownload size={15} />}
            href={apiAddress(`/devices/${encodeURIComponent(device.id)}/export.csv`, {
              points: [...chosen],
              from: Math.floor(range.from),
              to: Math.ceil(range.to),
            })}
            download
          >
            CSV
          </Button>
        </div>
        <div ref={ref} className={classes['stack']}>
          {isPending && chosen.length > 0 && <LoadingState />}
          {error && !data && <ProblemState error={error} retry={() => void refetch()} />}
          {data && <IncompleteNote series={data.series} zone={zone} />}
          {isEmpty && <EmptyState title={t('charts.empty')} text={t('charts.emptyText')} />}
          {!isEmpty &&
            drawn.byUnit.map(([unit, lines]) => (
              <div key={unit}>
                <div className={classes['unit']}>{unitText(unit) || t('charts.noUnit')}</div>
                <LineChart
                  lines={lines}
                  unit={unitText(unit)}
                  decimals={decimals(unit)}
                  from={range.from}
                  to={range.to}
                  zone={zone}
                  width={width}
                  timeLabel={t('time')}
                  onZoom={zoom}
                  onWiden={() => go(widened(range, serverNow()))}
                />
              </div>
            ))}
          {!isEmpty &&
            drawn.bands.map(({ point, bands }) => (
              <StateBands
                key={point}
                name={words.point(point)}
                bands={bands}
                from={range.from}
                to={range.to}
                zone={zone}
                width={width}
              />
            ))}
        </div>
        <span className="k-dim">{t('charts.help')}</span>
      </div>
    </Panel>
  );
}

/** `300` → `5 min`; units that both languages write alike. */
function everyText(seconds: string): string {
  const length = Number(seconds);
  if (length >= 86_400) return `${length / 86_400} d`;
  if (length >= 3_600) return `${length / 3_600} h`;
  return length >= 60 ? `${length / 60} min` : `${length} s`;
}
