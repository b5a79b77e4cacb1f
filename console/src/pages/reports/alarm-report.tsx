/** How fast people answered alarms, how many were closed, and how long repairs took. */
import { Button, Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useWords } from '../../i18n/words';
import { IconDownload } from '../../ui/icons';
import { serverNow } from '../../ui/now';
import { shareText } from '../../ui/number';
import { Panel } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { localMs } from '../../ui/time';
import { DurationText, useDurationText } from '../../ui/time-text';
import { PROMISE_MS } from '../alarms/promise';
import type { Severity } from '../alarms/types';
import { csvText, download } from './csv';
import classes from './reports.module.css';
import type { Response } from './types';

export interface AlarmReportAnswer {
  total: Response;
  items: (Response & { by: 'site' | 'class' | 'severity'; key: string })[];
}

/** What contracts ask of the share of closed alarms. */
const CLOSED = 0.95;
const TABLES = ['site', 'class', 'severity'] as const;
const TITLES = { site: 'bySite', class: 'byClass', severity: 'bySeverity' } as const;

interface AlarmReportProps {
  site: string | null;
  zone: string;
  from: string;
  to: string;
  at: string;
}

export function AlarmReport({ site, zone, from, to, at }: AlarmReportProps) {
  const { t } = useTranslation('reports');
  const words = useWords();
  const durationText = useDurationText();
  const { data, error, refetch } = useQuery({
    queryKey: ['alarm-reports', { site, zone, from, to }],
    queryFn: ({ signal }) => {
      const until = Math.min(localMs(to, zone) ?? 0, Math.round(serverNow()));
      return api.get<AlarmReportAnswer>(
        '/alarm-reports',
        { site, from: String(localMs(from, zone)), to: String(until) },
        signal,
      );
    },
  });
  if (error && !data) return <ProblemState error={error} retry={() => void refetch()} />;
  if (!data) return <LoadingState rows={8} />;
  const { total, items } = data;
  if (total.count === 0) return <EmptyState title={t('alarm.empty')} />;
  const nameOf = (by: (typeof TABLES)[number], key: string) => {
    if (key === '') return t('none');
    return by === 'class' ? words.class(key) : by === 'severity' ? words.severity(key as Severity) : key;
  };
  const save = () => {
    const head = [
      '',
      '',
      t('alarm.count'),
      t('alarm.acknowledged'),
      t('alarm.unanswered'),
      t('alarm.mean_response'),
      t('alarm.p95_response'),
    ];
    const more = [t('alarm.within'), t('alarm.closed'), t('alarm.mean_repair')];
    const seconds = (ms: number | null) => (ms === null ? null : Math.round(ms / 1000));
    const units = ['', '', '', '', '', 's', 's', '', '', 's'];
    const names = [...head, ...more].map((name, index) =>
      units[index] ? `${name} (${units[index]})` : name,
    );
    const row = (what: string, name: string, each: Response) => [
      what,
      name,
      each.count,
      each.acknowledged,
      each.unanswered,
      seconds(each.mean_response_ms),
      seconds(each.p95_response_ms),
      each.within_10_min_share,
      each.closed_share,
      seconds(each.mean_repair_ms),
    ];
    const rows = items.map((item) => row(t(`alarm.${TITLES[item.by]}`), nameOf(item.by, item.key), item));
    download(
      `alarms-${at}${site ? `-${site}` : ''}.csv`,
      csvText([names, row(t('alarm.all'), '', total), ...rows]),
    );
  };
  const figure = (label: string, value: string, kept: boolean | null) => (
    <div className={classes.figure}>
      <div className={classes.label}>{label}</div>
      <div className={classes.value} data-broken={kept === false || undefined}>
        {value}
      </div>
      <div className={classes.label}>{kept !== null && t(kept ? 'alarm.kept' : 'alarm.broken')}</div>
    </div>
  );
  const { mean_response_ms: mean, closed_share: closed } = total;
  return (
    <>
      <div className={classes.figures}>
        {figure(t('alarm.count'), String(total.count), null)}
        {figure(
          t('alarm.mean_response'),
          mean === null ? '—' : durationText(mean),
          mean === null ? null : mean <= PROMISE_MS,
        )}
        {figure(t('alarm.within'), shareText(total.within_10_min_share), null)}
        {figure(t('alarm.closed'), shareText(closed), closed === null ? null : closed >= CLOSED)}
        {figure(
          t('alarm.mean_repair'),
          total.mean_repair_ms === null ? '—' : durationText(total.mean_repair_ms),
          null,
        )}
      </div>
      <div
        style={{
          display: 'flex',
          justifyContent: 'space-between',
          gap: 8,
          flexWrap: 'wrap',
          alignItems: 'center',
        }}
      >
        <span className="k-dim">{t('alarm.promise')}</span>
        <Button size="xs" variant="default" leftSection={<IconDownload size={14} />} onClick={save}>
          {t('download')}
        </Button>
      </div>
      {TABLES.map((by) => {
        const rows = items.filter((item) => item.by === by);
        if (rows.length === 0) return null;
        return (
          <Panel key={by} title={t(`alarm.${TITLES[by]}`)} flush>
            <Table.ScrollContainer minWidth={0}>
              <Table>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t(by === 'severity' ? 'alarm.severity' : `column.${by}`)}</Table.Th>
                    <Table.Th ta="right">{t('alarm.count')}</Table.Th>
                    <Table.Th ta="right" visibleFrom="sm">
                      {t('alarm.acknowledged')}
                    </Table.Th>
                    <Table.Th ta="right" visibleFrom="sm">
                      {t('alarm.unanswered')}
                    </Table.Th>
                    <Table.Th ta="right">{t('alarm.mean_response')}</Table.Th>
                    <Table.Th ta="right" visibleFrom="sm">
                      {t('alarm.p95_response')}
                    </Table.Th>
                    <Table.Th ta="right">{t('alarm.within')}</Table.Th>
                    <Table.Th ta="right">{t('alarm.closed')}</Table.Th>
                    <Table.Th ta="right" visibleFrom="sm">
                      {t('alarm.mean_repair')}
                    </Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {rows.map((row) => (
                    <Table.Tr key={row.key}>
                      <Table.Td>{by === 'site' ? <SiteName id={row.key} /> : nameOf(by, row.key)}</Table.Td>
                      <Table.Td ta="right">{row.count}</Table.Td>
                      <Table.Td ta="right" visibleFrom="sm">
                        {row.acknowledged}
                      </Table.Td>
                      <Table.Td ta="right" visibleFrom="sm">
                        {row.unanswered}
                      </Table.Td>
                      <Table.Td ta="right">
                        <DurationText ms={row.mean_response_ms} />
                      </Table.Td>
                      <Table.Td ta="right" visibleFrom="sm">
                        <DurationText ms={row.p95_response_ms} />
                      </Table.Td>
                      <Table.Td ta="right" className="k-num">
                        {shareText(row.within_10_min_share)}
                      </Table.Td>
                      <Table.Td ta="right" className="k-num">
                        {shareText(row.closed_share)}
                      </Table.Td>
                      <Table.Td ta="right" visibleFrom="sm">
                        <DurationText ms={row.mean_repair_ms} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </Panel>
        );
      })}
    </>
  );
}
