/** What is known of the chosen node: how it is, what it hangs on, what it takes along, and what it is wired to. */
import { CloseButton, Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useWords } from '../../i18n/words';
import { HealthBadge, LevelShape, ToneBadge } from '../../ui/badges';
import { AppLink } from '../../ui/link';
import type { TopologyEdge } from '../assets/types';
import type { Layout, Placed } from './layout';
import classes from './topology.module.css';

const SHOWN = 30;

function portsText(edge: TopologyEdge): string {
  if (!edge.ports) return '';
  return typeof edge.ports === 'string' ? edge.ports : edge.ports.map((port) => port || '?').join(' ↔ ');
}

interface DetailsProps {
  entry: Placed;
  drawn: Layout;
  onChoose: (id: string) => void;
  onClose: () => void;
}

export function Details({ entry, drawn, onChoose, onClose }: DetailsProps) {
  const { t } = useTranslation('topology');
  const { t: common } = useTranslation('common');
  const words = useWords();
  const { node, level } = entry;
  const health = typeof node.health === 'object' && node.health !== null ? node.health : { level };
  const below = [...drawn.placed.values()].filter((other) => other.parent === node.id);
  const takesAlong = [...drawn.placed.values()].filter((other) => other.hiddenBy === node.id);
  const across = drawn.across.filter((edge) => edge.from === node.id || edge.to === node.id);
  const name = (id: string) => drawn.placed.get(id)?.node.label ?? id;
  const link = (id: string) => (
    <button type="button" className={classes['link']} onClick={() => onChoose(id)}>
      <LevelShape level={drawn.placed.get(id)?.level ?? 'unknown'} /> {name(id)}
    </button>
  );
  return (
    <aside className={classes['details']} aria-label={node.label}>
      <Group justify="space-between" wrap="nowrap">
        <strong>{node.label}</strong>
        <CloseButton aria-label={common('close')} onClick={onClose} />
      </Group>
      <div className="k-dim">{words.class(node.class)}</div>
      <Group gap="xs">
        <HealthBadge health={health} />
        {node.alarms > 0 && <ToneBadge tone="serious">{t('alarms', { count: node.alarms })}</ToneBadge>}
      </Group>
      <Group gap="md">
        {node.device && <AppLink to={`/devices/${node.device}`}>{t('toDevice')}</AppLink>}
        {node.asset && <AppLink to={`/assets/${node.asset}`}>{t('toAsset')}</AppLink>}
      </Group>
      {entry.hiddenBy && (
        <p className={classes['note']}>
          {t('hiddenBy')} {link(entry.hiddenBy)}
        </p>
      )}
      {entry.parent && (
        <p>
          <span className="k-dim">{t('parent')}</span> {link(entry.parent)}
        </p>
      )}
      {takesAlong.length > 0 && (
        <p className={classes['note']}>{t('takesAlong', { count: takesAlong.length })}</p>
      )}
      {across.length > 0 && (
        <section>
          <h3>{t('across')}</h3>
          <ul>
            {across.map((edge) => (
              <li key={`${edge.kind} ${edge.from} ${edge.to}`}>
                {link(edge.from === node.id ? edge.to : edge.from)}{' '}
                <span className="k-dim">{portsText(edge)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {below.length > 0 && (
        <section>
          <h3>{t('belowTitle', { count: below.length })}</h3>
          <ul>
            {below.slice(0, SHOWN).map((other) => (
              <li key={other.node.id}>{link(other.node.id)}</li>
            ))}
          </ul>
          {below.length > SHOWN && (
            <span className="k-dim">{t('more', { count: below.length - SHOWN })}</span>
          )}
        </section>
      )}
    </aside>
  );
}
