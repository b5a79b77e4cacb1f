/** What became of a command, step by step. */
import { Alert, Button, Group, Loader, Stack, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../../api/client';
import { useRight } from '../../../api/session';
import type { CommandDetail, CommandState } from '../../../api/types';
import { useWords } from '../../../i18n/words';
import { type Tone, ToneBadge } from '../../../ui/badges';
import { ConfirmDialog } from '../../../ui/confirm';
import { LoadingState, ProblemState } from '../../../ui/states';
import { TimeText } from '../../../ui/time-text';
import classes from '../device.module.css';

const TONES: Record<CommandState, Tone> = {
  queued: 'calm',
  held: 'warn',
  delivered: 'calm',
  started: 'calm',
  succeeded: 'ok',
  failed: 'bad',
  expired: 'off',
  rejected: 'serious',
  unknown: 'serious',
};

export function CommandBadge({ state }: { state: CommandState }) {
  const { t } = useTranslation('device');
  return <ToneBadge tone={TONES[state] ?? 'off'}>{t(`command.state.${state}`)}</ToneBadge>;
}

export function Outcome({ id }: { id: string }) {
  const { t } = useTranslation('device');
  const words = useWords();
  const client = useQueryClient();
  const mayCommand = useRight('command');
  const [asking, setAsking] = useState<'cancel' | 'release' | null>(null);
  const { data, error, refetch } = useQuery({
    queryKey: ['command', id],
    queryFn: ({ signal }) => api.get<CommandDetail>(`/commands/${encodeURIComponent(id)}`, {}, signal),
    // The stream tells; this is for the case that it is down.
    refetchInterval: (query) => (query.state.data?.final ? false : 3000),
  });
  if (!data)
    return error ? <ProblemState error={error} retry={() => void refetch()} /> : <LoadingState rows={3} />;
  const decide = async (what: 'cancel' | 'release', why: string) => {
    const decided = await api.post<CommandDetail>(`/commands/${encodeURIComponent(id)}/${what}`, { why });
    client.setQueryData(['command', id], decided);
    void client.invalidateQueries({ queryKey: ['commands'] });
  };
  const results = Object.entries(data.results);
  const canCancel = mayCommand && !data.final && !data.handed_out;
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <CommandBadge state={data.state} />
        {!data.final && data.state !== 'held' && <Loader size="xs" />}
        <Text size="sm">{t(`command.stateText.${data.state}`)}</Text>
      </Group>
      {data.state === 'unknown' && (
        <Alert color="orange" variant="light" title={t('command.unknownTitle')} role="alert">
          {t('command.unknownText')}
        </Alert>
      )}
      {data.reason && <Text size="sm">{data.reason}</Text>}
      {results.length > 0 && (
        <Text size="sm">
          {t('command.results')}{' '}
          {results.map(([name, value]) => `${words.point(name)} ${words.state(String(value))}`).join(' · ')}
        </Text>
      )}
      <ol className={classes['list']}>
        {data.history.map((step) => (
          <li key={`${step.state} ${step.time_ms}`}>
            <TimeText ms={step.time_ms} site={data.site} style="time" />
            <span className={classes['grow']}>{t(`command.state.${step.state}`)}</span>
            <span className="k-dim">
              {[step.actor, step.reason].filter((part) => part !== '').join(' · ')}
            </span>
          </li>
        ))}
      </ol>
      {(canCancel || data.state === 'held') && mayCommand && (
        <Group gap="xs">
          {data.state === 'held' && (
            <Button size="xs" onClick={() => setAsking('release')}>
              {t('command.release')}
            </Button>
          )}
          {canCancel && (
            <Button size="xs" variant="default" onClick={() => setAsking('cancel')}>
              {t('command.cancel')}
            </Button>
          )}
        </Group>
      )}
      {asking && (
        <ConfirmDialog
          opened
          title={t(`command.${asking}Title`)}
          confirm={t(`command.${asking}`)}
          danger={asking === 'release' && data.moves}
          reason="optional"
          onConfirm={(why) => decide(asking, why)}
          onClose={() => setAsking(null)}
        >
          <Text size="sm">{t(`command.${asking}Text`)}</Text>
        </ConfirmDialog>
      )}
    </Stack>
  );
}
