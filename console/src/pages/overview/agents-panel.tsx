import { Table } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Overview } from '../../api/types';
import { ToneBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { numberText } from '../../ui/number';
import { Panel } from '../../ui/page';
import { SiteName } from '../../ui/site-name';
import { DurationText } from '../../ui/time-text';
import { worstAgents } from './order';
import classes from './overview.module.css';

const LANES = ['urgent', 'events', 'readings'] as const;
const SHOWN = 12;

/** Agents, and what waits in their lanes. */
export function AgentsPanel({ agents }: { agents: Overview['agents'] }) {
  const { t } = useTranslation('overview');
  return (
    <Panel title={t('agents')} aside={<AppLink to="/agents">{t('allAgents')}</AppLink>} flush>
      <div className={classes['scroll']}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('agent')}</Table.Th>
              <Table.Th>{t('line')}</Table.Th>
              {LANES.map((lane) => (
                <Table.Th key={lane} ta="right">
                  {t(`lane.${lane}`)}
                </Table.Th>
              ))}
              <Table.Th ta="right">{t('oldest')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {worstAgents(agents)
              .slice(0, SHOWN)
              .map((agent) => (
                <Table.Tr key={`${agent.site} ${agent.agent}`}>
                  <Table.Td>
                    <AppLink to="/devices" search={{ agent: agent.agent }}>
                      {agent.agent}
                    </AppLink>
                    <div className="k-dim">
                      <SiteName id={agent.site} />
                    </div>
                  </Table.Td>
                  <Table.Td>
                    <ToneBadge tone={agent.online ? 'ok' : 'bad'}>
                      {t(agent.online ? 'online' : 'silent')}
                    </ToneBadge>
                    {!agent.online && agent.silent_ms !== null && (
                      <div className="k-dim">
                        <DurationText ms={agent.silent_ms} />
                      </div>
                    )}
                  </Table.Td>
                  {LANES.map((lane) => (
                    <Table.Td key={lane} ta="right" className="k-num">
                      {typeof agent.backlog[lane] === 'number' ? numberText(agent.backlog[lane]) : '—'}
                    </Table.Td>
                  ))}
                  <Table.Td ta="right">
                    {agent.oldest_ms === null ? '—' : <DurationText ms={agent.oldest_ms} />}
                  </Table.Td>
                </Table.Tr>
              ))}
          </Table.Tbody>
        </Table>
      </div>
    </Panel>
  );
}
