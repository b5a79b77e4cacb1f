/** What became of a command, step by step. */
import { Alert, Button, Group, Loader, Stack, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../../api/client';
import { useRight } from '../../../api/session';
import type { Command, CommandDetail } from '../../../api/types';
import { useWords } from '../../../i18n/words';
import { type Tone, ToneBadge } from '../../../ui/badges';
import { ConfirmDialog } from '../../../ui/confirm';
import { LoadingState, ProblemState } from '../../../ui/states';
import { TimeText } from '../../../ui/time-text';
import classes from '../device.module.css';
import { type OutcomeWord, outcomeWord } from './outcome-word';

const TONES: Record<OutcomeWord, Tone> = {
  queued: 'calm',
  held: 'warn',
  delivered: 'calm',
  started: 'calm',
  succeeded: 'ok',
  failed: 'bad',
  expired: 'off',
  rejected: 'serious',
  cancelled: 'off',
  withheld: 'serious',
  unknown: 'serious',
};

export function CommandBadge({ command }: { command: Command }) {
  const { t } = useTranslation('device');
  const word = outcomeWord(command);
  return <ToneBadge tone={TONES[word] ?? 'off'}>{t(`command.state.${word}`)}</ToneBadge>;
}

export function Outcome({ id }: { id: string }) {
  const { t } = useTranslation('device');
  const words = useWords();
  const client = useQueryClient();
  const [asking, setAsking] = useState<'cancel' | 'release' | null>(null);
  const { data, error, refetch } = useQuery({
    queryKey: ['command', id],
    queryFn: ({ signal }) => api.get<CommandDetail>(`/commands/${encodeURIComponent(id)}`, {}, signal),
    // The stream tells; this is for the case that it is down.
    refetchInterval: (query) => (query.state.data?.final ? false : 3000),
  });
  const mayCommand = useRight('command', data?.site);
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
        <CommandBadge command={data} />
        {!data.final && data.state !== 'held' && <Loader size="xs" />}
        <Text size="sm">{t(`command.stateText.${outcomeWord(data)}`)}</Text>
      </Group>
      {data.state === 'unknown' && (
        <Alert color="orange" variant="light" title={t('command.unknownTitle')} role="alert">
          {t('command.unknownText')}
        </Alert>
      )}
      {data.reason && <Text size="sm">{words.text({ text: data.reason, text_zh: data.reason_zh })}</Text>}
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
              {[step.actor, words.text({ text: step.reason, text_zh: step.reason_zh })]
                .filter((part) => part !== '')
                .join(' · ')}
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
