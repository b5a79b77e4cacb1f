import { Button, Group, Select, Table } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useWords } from '../../i18n/words';
import { IconDownload } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { serverNow } from '../../ui/now';
import { shareText } from '../../ui/number';
import { Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { localMs } from '../../ui/time';
import { TimeText } from '../../ui/time-text';
import { csvText, download } from './csv';
import { Legend, PartsBar } from './parts-bar';
import { bounds, type Period } from './period';
import classes from './reports.module.css';
import { type DeviceFigures, type Figures, type Line, PART_NAMES } from './types';

export type By = 'site' | 'class' | 'area' | 'device';
const BYS: readonly By[] = ['site', 'class', 'area', 'device'];

interface AvailabilityProps {
  site: string | null;
  zone: string;
  period: Period;
  at: string;
  by: By;
  onBy: (by: By) => void;
}

/** The lines of a list by site, class or area: one answer; by device: by the page. */
function useLines({ site, zone, period, at, by }: Omit<AvailabilityProps, 'onBy'>) {
  // The summary has the pictures too, so it is asked for even where devices are listed.
  const summary = useQuery({
    queryKey: ['availability', 'summary', { site, zone, period, at, by: by === 'device' ? 'site' : by }],
    queryFn: ({ signal }) =>
      api.get<Figures>(
        '/availability/summary',
        { site, zone, period, at, by: by === 'device' ? 'site' : by },
        signal,
      ),
  });
  const [from, to] = bounds(period, at).map((local) => localMs(local, zone) ?? 0);
  const devices = useInfiniteQuery({
    queryKey: ['availability', 'devices', { site, from, to }],
    queryFn: ({ pageParam, signal }) => {
      const until = Math.min(to ?? 0, Math.round(serverNow()));
      return api.get<DeviceFigures>(
        '/availability',
        { site, from: String(from), to: String(until), limit: 500, cursor: pageParam },
        signal,
      );
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next ?? undefined,
    enabled: by === 'device',
  });
  const lines: Line[] =
    by === 'device'
      ? (devices.data?.pages.flatMap((page) =>
          page.items.map((item) => ({
            ...item,
            key: item.device,
            label: item.label || item.device,
            devices: 1,
          })),
        ) ?? [])
      : (summary.data?.items ?? []);
  return { summary, devices, lines };
}

export function Availability(props: AvailabilityProps) {
  const { site, at, by, onBy } = props;
  const { t } = useTranslation('reports');
  const words = useWords();
  const sites = useSites();
  const { summary, devices, lines } = useLines(props);
  const { data } = summary;
  const siteName = (id: string) => words.name(sites.find((each) => each.id === id)?.name, id);
  const nameOf = (line: Line) => {
    if (line.label) return line.label;
    if (line.key === '') return t('none');
    return by === 'site' ? siteName(line.key) : by === 'class' ? words.class(line.key) : line.key;
  };
  const save = () => {
    const head = [
      t(`column.${by}`),
      t('column.site'),
      t('column.devices'),
      t('column.availability'),
      t('column.reachability'),
    ];
    const hours = PART_NAMES.map((name) => `${t(`column.${name}`)} (h)`);
    const rows = lines.map((line) => [
      by === 'device' ? `${line.label} (${line.key})` : nameOf(line),
      line.site ? siteName(line.site) : '',
      line.devices,
      line.availability ?? null,
      line.reachability ?? null,
      ...PART_NAMES.map((name) => Math.round(line[`${name}_ms`] / 36_000) / 100),
    ]);
    download(
      `availability-${at}-${by}${site ? `-${site}` : ''}.csv`,
      csvText([[...head, ...hours], ...rows]),
    );
  };
  if (summary.error && !data)
    return <ProblemState error={summary.error} retry={() => void summary.refetch()} />;
  const isLoading = !data || (by === 'device' && devices.isLoading);
  const failed = by === 'device' && devices.error && lines.length === 0 ? devices.error : null;
  const figure = (label: string, value: React.ReactNode, sub?: React.ReactNode) => (
    <div className={classes.figure}>
      <div className={classes.label}>{label}</div>
      <div className={classes.value}>{value}</div>
      <div className={classes.label}>{sub}</div>
    </div>
  );
  const { images, total } = data ?? {};
  return (
    <>
      <div className={classes.figures}>
        {figure(
          t('column.availability'),
          shareText(total?.availability),
          data && <Until ms={data.to_ms} site={site} />,
        )}
        {figure(t('column.reachability'), shareText(total?.reachability))}
        {figure(
          `${t('cameras')} · ${t('online_rate')}`,
          shareText(images?.online_rate),
          images && t('camerasCount', { count: images.cameras }),
        )}
        {figure(
          `${t('cameras')} · ${t('intact_rate')}`,
          shareText(images?.intact_rate),
          images && (images.judged > 0 ? t('judged', { count: images.judged }) : t('notJudged')),
        )}
      </div>
      <Panel
        flush
        title={
          <Select
            size="xs"
            w={130}
            aria-label={t('by.label')}
            data={BYS.map((value) => ({ value, label: t(`by.${value}`) }))}
            value={by}
            allowDeselect={false}
            onChange={(value) => onBy(value as By)}
          />
        }
        aside={
          <Group gap="md">
            <Legend />
            <Button
              size="xs"
              variant="default"
              leftSection={<IconDownload size={14} />}
              disabled={lines.length === 0}
              onClick={save}
            >
              {t('download')}
            </Button>
          </Group>
        }
      >
        {isLoading && !failed && <LoadingState rows={6} />}
        {failed && <ProblemState error={failed} retry={() => void devices.refetch()} />}
        {!isLoading && !failed && lines.length === 0 && <EmptyState title={t('empty')} />}
        {lines.length > 0 && (
          <Table.ScrollContainer minWidth={0}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t(`column.${by}`)}</Table.Th>
                  {(by === 'device' || by === 'area') && (
                    <Table.Th visibleFrom="sm">{t('column.site')}</Table.Th>
                  )}
                  {by !== 'device' && <Table.Th ta="right">{t('column.devices')}</Table.Th>}
                  <Table.Th ta="right">{t('column.availability')}</Table.Th>
                  <Table.Th ta="right" visibleFrom="sm">
                    {t('column.reachability')}
                  </Table.Th>
                  <Table.Th w="30%">{t('column.parts')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {lines.map((line) => (
                  <Table.Tr key={`${line.site} ${line.key}`}>
                    <Table.Td>
                      {by === 'device' ? (
                        <AppLink to={`/devices/${line.key}`}>{nameOf(line)}</AppLink>
                      ) : (
                        nameOf(line)
                      )}
                    </Table.Td>
                    {(by === 'device' || by === 'area') && (
                      <Table.Td visibleFrom="sm">{line.site && siteName(line.site)}</Table.Td>
                    )}
                    {by !== 'device' && (
                      <Table.Td ta="right" className="k-num">
                        {line.devices}
                      </Table.Td>
                    )}
                    <Table.Td ta="right" className="k-num">
                      <strong>{shareText(line.availability)}</strong>
                    </Table.Td>
                    <Table.Td ta="right" className="k-num" visibleFrom="sm">
                      {shareText(line.reachability)}
                    </Table.Td>
                    <Table.Td>
                      <PartsBar times={line} devices={line.devices} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
        {by === 'device' && devices.hasNextPage && (
          <Group justify="center" p="sm">
            <Button
              size="xs"
              variant="default"
              loading={devices.isFetchingNextPage}
              onClick={() => void devices.fetchNextPage()}
            >
              {t('loadMore')}
            </Button>
          </Group>
        )}
      </Panel>
    </>
  );
}

function Until({ ms, site }: { ms: number; site: string | null }) {
  const { t } = useTranslation('reports');
  const [before, after] = t('until', { time: '|' }).split('|');
  return (
    <>
      {before}
      <TimeText ms={ms} site={site} style="minute" />
      {after}
    </>
  );
}
