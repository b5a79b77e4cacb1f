/** What the device hangs on, what hangs on it, and what stands beside it. */
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import type { DeviceDetail } from '../../api/types';
import { useWords } from '../../i18n/words';
import { HealthBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import { Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { isCurrent } from '../assets/data';
import classes from './device.module.css';
import { around, type Topology, type TopologyNode } from './topology';

export function NeighboursTab({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation('device');
  const { data, error, refetch } = useQuery({
    queryKey: ['topology', { site: device.site }],
    queryFn: ({ signal }) => api.get<Topology>('/topology', { site: device.site }, signal),
    refetchInterval: 15_000,
  });
  if (!data) {
    return (
      <Panel>{error ? <ProblemState error={error} retry={() => void refetch()} /> : <LoadingState />}</Panel>
    );
  }
  const found = around(data, device.id);
  const groups = ['parents', 'neighbours', 'children'] as const;
  if (groups.every((group) => found[group].length === 0)) {
    return (
      <Panel>
        <EmptyState
          title={t('noNeighbours')}
          text={t('noNeighboursText')}
          action={<AppLink to="/assets">{t('toAssets')}</AppLink>}
        />
      </Panel>
    );
  }
  return (
    <div className={classes['columns']}>
      {groups.map((group) => (
        <Panel key={group} title={t(group)} flush>
          <ul className={classes['list']}>
            {found[group].map(({ node, ports }) => (
              <NodeLine key={node.id} node={node} ports={ports} />
            ))}
            {found[group].length === 0 && <li className="k-dim">{t('none')}</li>}
          </ul>
        </Panel>
      ))}
    </div>
  );
}

function NodeLine({ node, ports }: { node: TopologyNode; ports: string }) {
  const words = useWords();
  const level = typeof node.health === 'string' ? node.health : node.health?.level;
  const to = node.device
    ? `/devices/${encodeURIComponent(node.device)}`
    : `/assets/${encodeURIComponent(node.asset ?? '')}`;
  return (
    <li>
      <span className={classes['grow']}>
        <AppLink to={to}>{node.label}</AppLink> <span className="k-dim">{words.class(node.class)}</span>
      </span>
      {ports && <span className="k-dim">{ports}</span>}
      {level && <HealthBadge health={{ level, current: isCurrent(node) }} />}
    </li>
  );
}
