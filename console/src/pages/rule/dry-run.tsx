/** What a rule would have said in the past. */
import { Button, Group, SegmentedControl, Stack, Table, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { IconPlay } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { serverNow } from '../../ui/now';
import { Panel } from '../../ui/page';
import { useProblemText } from '../../ui/states';
import { DurationText, TimeText, useDurationText } from '../../ui/time-text';
import type { TryResult } from '../rules/types';

const DAY_MS = 86_400_000;
const RANGES = { '1d': DAY_MS, '7d': 7 * DAY_MS, '30d': 30 * DAY_MS } as const;
type Range = keyof typeof RANGES;

export function DryRun({ toml, disabled }: { toml: string; disabled: boolean }) {
  const { t } = useTranslation('rules');
  const problemText = useProblemText();
  const durationText = useDurationText();
  const [range, setRange] = useState<Range>('7d');
  const run = useMutation({
    mutationFn: async (asked: Range) => {
      const now = Math.round(serverNow());
      const result = await api.post<TryResult>('/alarm-rules/try', {
        toml,
        from_ms: now - RANGES[asked],
        to_ms: now,
      });
      return { ...result, asked };
    },
  });
  const { data } = run;
  const words = {
    count: data?.raised ?? 0,
    devices: data?.per_device.length ?? 0,
    range: t(`tryRange.${data?.asked ?? range}`),
  };
  return (
    <Panel title={t('tryTitle')}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {t('tryHelp')}
        </Text>
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            data={(Object.keys(RANGES) as Range[]).map((value) => ({ value, label: t(`tryRange.${value}`) }))}
            value={range}
            onChange={(value) => setRange(value as Range)}
          />
          <Button
            size="xs"
            leftSection={<IconPlay size={13} />}
            loading={run.isPending}
            disabled={disabled}
            onClick={() => run.mutate(range)}
          >
            {t('tryRun')}
          </Button>
        </Group>
        {run.isPending && <Text size="sm">{t('tryRunning')}</Text>}
        {run.error && (
          <Text size="sm" c="var(--k-bad)" role="alert">
            {problemText(run.error)}
          </Text>
        )}
        {data && !run.isPending && (
          <div aria-live="polite">
            <Text fw={600}>{t(data.raised > 0 ? 'tryResult' : 'tryNone', words)}</Text>
            <Text size="xs" c="dimmed">
              {t('tryTook', { time: durationText(data.took_ms), count: data.devices })}
            </Text>
            {data.truncated && (
              <Text size="sm" c="var(--k-warn)">
                {t('tryTruncated')}
              </Text>
            )}
          </div>
        )}
        {data && data.per_device.length > 0 && !run.isPending && (
          <Table.ScrollContainer minWidth={0} mah={320}>
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('tryDevice')}</Table.Th>
                  <Table.Th ta="right">{t('tryRaised')}</Table.Th>
                  <Table.Th ta="right">{t('tryActive')}</Table.Th>
                  <Table.Th>{t('tryFirst')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {data.per_device.map((row) => (
                  <Table.Tr key={row.device}>
                    <Table.Td>
                      <AppLink to={`/devices/${row.device}`}>{row.label || row.device}</AppLink>
                    </Table.Td>
                    <Table.Td ta="right" className="k-num">
                      {row.raised}
                    </Table.Td>
                    <Table.Td ta="right">
                      <DurationText ms={row.active_ms} />
                    </Table.Td>
                    <Table.Td>
                      <TimeText ms={row.first_ms} style="short" />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Stack>
    </Panel>
  );
}
