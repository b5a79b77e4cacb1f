import { Button, Menu, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { usePagedList } from '../../api/lists';
import { useIsStale } from '../../api/live';
import { useSite } from '../../app/site';
import { ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { IconMore } from '../../ui/icons';
import { AppLink } from '../../ui/link';
import { numberText } from '../../ui/number';
import { Panel } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { Age, Fresh, useDurationText } from '../../ui/time-text';
import type { MadeToken } from '.';
import classes from './agents.module.css';
import { type Agent, type AgentLine, type AgentRow, type Lane, together } from './types';

function Lanes({ lanes }: { lanes: readonly Lane[] }) {
  const { t } = useTranslation('agents');
  const durationText = useDurationText();
  return (
    <div className={classes.lanes}>
      {(['lanes', 'column.backlog', 'column.oldest', 'column.lost'] as const).map((key) => (
        <span key={key} className={classes.label}>
          {t(key)}
        </span>
      ))}
      {lanes.map(({ lane, waiting, age_seconds, lost }) => [
        <span key={lane}>{t(`lane.${lane}`)}</span>,
        <span key={`${lane} waiting`} className="k-num">
          <Fresh>{waiting === null ? t('unknown') : t('count', { count: numberText(waiting) })}</Fresh>
        </span>,
        <span key={`${lane} age`} className="k-num">
          {waiting && age_seconds !== null ? durationText(age_seconds * 1000) : '—'}
        </span>,
        <span key={`${lane} lost`} className={lost ? classes.lost : 'k-num'}>
          {lost === null ? t('unknown') : t('count', { count: numberText(lost) })}
        </span>,
      ])}
    </div>
  );
}

function Clock({ agent }: { agent: Agent }) {
  const { t } = useTranslation('agents');
  const durationText = useDurationText();
  const { clock_trusted: trusted, clock_offset_ms: offset } = agent;
  if (typeof trusted !== 'boolean') return <span className="k-dim">{t('unknown')}</span>;
  // A collector that adds to an agent's times has the clock that is ahead.
  const isOff = typeof offset === 'number' && Math.abs(offset) >= 1000;
  const off = isOff
    ? t(offset > 0 ? 'clockBehind' : 'clockAhead', { time: durationText(Math.abs(offset)) })
    : '';
  return (
    <ToneBadge tone={trusted ? 'ok' : 'warn'}>
      {t(trusted ? 'clockOk' : 'clockOff')}
      {off && ` · ${off}`}
    </ToneBadge>
  );
}

/** What waits in a lane is told with the agent's own points, which no change of health announces. */
const LANES_MS = 10_000;

type Asked = { what: 'renew' | 'revoke'; agent: Agent };

function AgentCard({
  agent,
  mayChange,
  onAsk,
}: {
  agent: AgentRow;
  mayChange: boolean;
  onAsk: (what: Asked['what']) => void;
}) {
  const { t } = useTranslation('agents');
  const durationText = useDurationText();
  const isStale = useIsStale();
  const { silent_ms: silent, line } = agent;
  return (
    <div className={classes.agent}>
      <div>
        <strong>{agent.id}</strong> ·{' '}
        <span className="k-dim">
          <SiteName id={agent.site} />
        </span>
        <div>
          <ToneBadge tone={agent.connected ? 'ok' : 'bad'} old={isStale}>
            {t(agent.connected ? 'online' : 'offline')}
          </ToneBadge>
        </div>
        {!agent.connected && (
          <div className={classes.small}>
            {typeof silent === 'number' ? t('silent', { time: durationText(silent) }) : t('never')}
          </div>
        )}
      </div>
      <div>
        {line && line.lanes.length > 0 ? (
          <Lanes lanes={line.lanes} />
        ) : (
          <span className="k-dim">{t('unknown')}</span>
        )}
      </div>
      <div>
        <div className={classes.label}>{t('column.buffer')}</div>
        {line?.buffer ? (
          <ToneBadge tone={line.buffer === 'durable' ? 'ok' : 'warn'}>{t(`buffer.${line.buffer}`)}</ToneBadge>
        ) : (
          <span className="k-dim">{t('unknown')}</span>
        )}
        <div className={classes.label}>{t('column.devices')}</div>
        <AppLink to="/devices" search={{ agent: agent.id }}>
          {agent.devices}
        </AppLink>
      </div>
      <div>
        <div className={classes.label}>{t('column.clock')}</div>
        <Clock agent={agent} />
        <div
          className={classes.small}
          title={`${t('incarnation')} ${agent.incarnation} · ${t('configHash')} ${agent.config_hash}`}
        >
          {agent.software}
          {typeof agent.hello_ms === 'number' && (
            <div>
              {t('hello', { time: '' })}
              <Age ms={agent.hello_ms} site={agent.site} />
            </div>
          )}
        </div>
      </div>
      {mayChange && (
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="compact-sm" variant="subtle" aria-label={`${t('column.agent')} ${agent.id}`}>
              <IconMore size={16} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => onAsk('renew')}>{t('renew')}</Menu.Item>
            <Menu.Item color="red" onClick={() => onAsk('revoke')}>
              {t('revoke')}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    </div>
  );
}

export function AgentList({
  mayChange,
  onToken,
}: {
  mayChange: boolean;
  onToken: (made: MadeToken) => void;
}) {
  const { t } = useTranslation('agents');
  const client = useQueryClient();
  const [site] = useSite();
  const list = usePagedList<Agent>(['agents'], '/agents', {}, 1000);
  const { data: overview } = useQuery({
    queryKey: ['overview', 'lanes', { site }],
    queryFn: ({ signal }) => api.get<{ agents: AgentLine[] }>('/overview', { site }, signal),
    refetchInterval: LANES_MS,
  });
  const [asked, setAsked] = useState<Asked | null>(null);
  const here = list.rows.filter((agent) => site === null || agent.site === site);
  const agents = together(here, overview?.agents ?? []);
  // Who is silent comes first: it is what somebody looks for.
  agents.sort((a, b) => Number(a.connected) - Number(b.connected) || (a.id < b.id ? -1 : 1));
  const path = `/agents/${encodeURIComponent(asked?.agent.id ?? '')}/token`;
  const confirm = async () => {
    if (asked?.what === 'renew') onToken(await api.post<MadeToken>(path));
    else await api.delete(path);
    await client.invalidateQueries({ queryKey: ['agents'] });
  };
  if (list.error && list.rows.length === 0) return <ProblemState error={list.error} retry={list.retry} />;
  return (
    <Panel flush>
      {list.isFirstLoad && <LoadingState rows={5} />}
      {!list.isFirstLoad && agents.length === 0 && <EmptyState title={t('empty')} text={t('emptyText')} />}
      {agents.map((agent) => (
        <AgentCard
          key={agent.id}
          agent={agent}
          mayChange={mayChange}
          onAsk={(what) => setAsked({ what, agent })}
        />
      ))}
      <ConfirmDialog
        opened={asked !== null}
        danger
        title={t(asked?.what === 'renew' ? 'renewTitle' : 'revokeTitle', { name: asked?.agent.id })}
        confirm={t(asked?.what === 'renew' ? 'renew' : 'revoke')}
        onClose={() => setAsked(null)}
        onConfirm={confirm}
      >
        <Text size="sm">{t(asked?.what === 'renew' ? 'renewText' : 'revokeText')}</Text>
      </ConfirmDialog>
    </Panel>
  );
}
